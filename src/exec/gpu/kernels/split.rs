//! Large dispatches in several, so that none keeps a slow GPU for so long that
//! its driver calls it hung.

use super::{Dispatch, Lowering};

/// Splits a convolution by rows where it has more work than a dispatch may.
/// `first_row` is the word of its dimensions that says where it starts, a
/// workgroup covers `workgroup_rows`.
pub(super) fn by_rows(
    context: &Lowering,
    dispatch: Dispatch,
    first_row: usize,
    workgroup_rows: usize,
) -> Vec<Dispatch> {
    let flops = context.plan.step_flops(context.step);
    let parts = flops.div_ceil(context.target.max_dispatch_flops.max(1));
    let rows = dispatch.workgroups[1];
    let rows_of_part = u64::from(rows).div_ceil(parts.max(1)).max(1) as u32;
    (0..rows)
        .step_by(rows_of_part as usize)
        .map(|start| {
            let mut part = dispatch.clone();
            part.dims[first_row] = start * workgroup_rows as u32;
            part.workgroups[1] = rows_of_part.min(rows - start);
            part
        })
        .collect()
}
