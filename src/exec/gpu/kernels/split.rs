//! Large dispatches in several, so that none keeps a slow GPU for so long that
//! its driver calls it hung.

use super::kernel::{Kernel, Source};

/// Workgroups along an axis that every device allows.
pub const MAX_WORKGROUPS: usize = 65535;

/// Splits a convolution by rows where it has more work or more workgroups than
/// a dispatch may; `make` makes the dispatch of `rows` workgroups from `first`
/// on, of `all`.
pub fn by_rows(source: &Source, all: usize, make: impl Fn(usize, usize) -> Kernel) -> Vec<Kernel> {
    let parts = rows(source, all, MAX_WORKGROUPS);
    parts.map(|(first, count)| make(first, count)).collect()
}

/// The same as first row and number of rows of each part, `most` rows at most.
pub fn rows(source: &Source, all: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let flops = source.phase.node_flops(source.node);
    let parts = flops.div_ceil(source.max_dispatch_flops.max(1)).max(1);
    let rows = (all as u64).div_ceil(parts).max(1) as usize;
    let rows = rows.min(most);
    let first = (0..all).step_by(rows);
    first.map(move |first| (first, rows.min(all - first)))
}
