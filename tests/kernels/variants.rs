//! GPUs convolve by kernels that the static rule does not take.

use crate::case::Case;
use crate::cases::{self, conv2d, dense_block};
use crate::subjects::{self, Subject};
use srdiff::plan::{Precision, Variant};
use std::sync::Arc;

const fn tile(pixels: usize, blocks: usize) -> Variant {
    Variant::RegisterTile { pixels, blocks }
}

const fn gemm(pixels: usize, outputs: usize, depth: usize) -> Variant {
    Variant::Gemm {
        pixels,
        outputs,
        depth,
    }
}

/// Register tiles compile fast, and are tried on all features.
const TILES: [Variant; 5] = [tile(1, 1), tile(2, 2), tile(8, 1), tile(8, 2), tile(4, 4)];

/// One of each kind of the others is tried on all features with its indices
/// checked, and on some in f16; other sizes of it on some.
const KINDS: [Variant; 1] = [gemm(32, 32, 16)];
const SIZES: [Variant; 5] = [
    gemm(128, 16, 16),
    gemm(256, 32, 8),
    gemm(64, 64, 16),
    gemm(64, 128, 16),
    gemm(128, 128, 8),
];

/// A GPU by each variant, and what is tried there.
pub fn tried(subject: &Arc<Subject>) -> Vec<(Arc<Subject>, Case)> {
    let mut tried = Vec::new();
    let mut add = |variants: &[Variant], cases: &[Case]| {
        for &variant in variants {
            if let Some(by) = subjects::with_variant(subject, variant).map(Arc::new) {
                tried.extend(cases.iter().map(|case| (by.clone(), case.clone())));
            }
        }
    };
    match (subject.precision(), subject.checked) {
        (Precision::F32, true) => {
            add(&KINDS, &conv2d::tiled());
            add(&KINDS, &dense_block::tiled()[..1]);
        }
        (Precision::F32, false) => {
            add(&TILES, &cases::tiled());
            add(&SIZES, &conv2d::few());
        }
        (Precision::F16, _) => add(&KINDS, &conv2d::few()),
    }
    tried
}
