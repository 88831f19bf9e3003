//! Transposed convolutions of every enlargement that a model uses.

use super::{UNIT, weights};
use crate::case::{Bound, Case};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{ConvTranspose2d, Op};

/// f32 sums of 4 * 96 products.
const BOUND: Bound = Bound::of(4e-6);

fn case(stride: usize, n: usize, groups: &[usize], outputs: usize, (h, w): (usize, usize)) -> Case {
    let name = format!("conv_transpose2d/s{stride} {groups:?}->{outputs} {n}x{h}x{w}");
    let mut case = Case::new(name, BOUND);
    let inputs = groups.iter().sum();
    let whole = Shape::new(n, inputs + 6, h, w);
    let segments: Vec<usize> = [&[6], groups].concat();
    let array = case.array("x", whole, &segments, Element::Float, UNIT);
    let x = case.view(array, 1, groups.len());
    let shape = Shape::new(inputs, outputs, 2 * stride, 2 * stride);
    let w = case.weight("w", shape, weights(4 * inputs));
    let b = case.weight("b", Shape::vector(outputs), UNIT);
    case.step(Op::ConvTranspose2d(ConvTranspose2d { stride }), &[x, w, b]);
    case
}

pub fn cases() -> Vec<Case> {
    vec![
        case(2, 1, &[1], 1, (1, 1)),
        case(2, 1, &[5], 3, (1, 7)),
        case(2, 1, &[4], 9, (13, 1)),
        case(2, 3, &[33], 31, (2, 3)),
        case(2, 1, &[8], 8, (3, 35)),
        case(2, 1, &[3], 5, (10, 2)),
        case(2, 1, &[96], 64, (3, 2)),
        case(4, 3, &[6, 3, 5], 7, (3, 5)),
        case(4, 1, &[5], 12, (1, 2)),
        case(6, 1, &[3], 5, (2, 3)),
        case(8, 2, &[5], 9, (3, 2)),
        case(16, 1, &[6], 5, (2, 3)),
        case(2, 2, &[5], 7, (65, 2)),
        case(4, 1, &[3], 9, (1, 65)),
        case(8, 1, &[6], 5, (65, 1)),
    ]
}

/// See [`super::tiled`].
pub fn tiled() -> Vec<Case> {
    vec![
        case(2, 1, &[5], 3, (1, 7)),
        case(2, 3, &[33], 31, (2, 3)),
        case(4, 3, &[6, 3, 5], 7, (3, 5)),
        case(6, 1, &[3], 5, (2, 3)),
        case(2, 2, &[5], 21, (9, 67)),
    ]
}

/// For kernels of one kind that differ in their tiles' sizes: a whole number of
/// all tiles, and what ends inside one.
pub fn few() -> Vec<Case> {
    vec![
        case(2, 1, &[16], 32, (16, 16)),
        case(4, 3, &[6, 3, 5], 21, (3, 13)),
    ]
}
