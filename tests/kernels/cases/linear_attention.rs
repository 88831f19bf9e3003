//! Linear attention, with logits that overflow exp unless the largest is
//! taken off first.

use super::UNIT;
use crate::case::{Bound, Case, Fill};
use srdiff::graph::Shape;
use srdiff::ops::{LinearAttention, Op};

fn case(heads: usize, d: usize, n: usize, (h, w): (usize, usize), fill: Fill) -> Case {
    let name = format!("linear_attention/{heads} heads of {d} {n}x{h}x{w} {fill:?}");
    // The exponential's error grows with its argument: 3 + 2 |x| units.
    let bound = match &fill {
        Fill::Uniform(_, high) if *high > 2.0 => 3e-5,
        _ => 5e-6,
    };
    let mut case = Case::new(name, Bound::of(bound));
    let x = case.float("qkv", Shape::new(n, 3 * heads * d, h, w), fill);
    let op = LinearAttention {
        heads,
        head_channels: d,
    };
    case.step(Op::LinearAttention(op), &[x]);
    case
}

pub fn cases() -> Vec<Case> {
    of_sizes(case)
}

/// Cases of all numbers of heads, their channels, batches and sizes.
pub fn of_sizes(case: impl Fn(usize, usize, usize, (usize, usize), Fill) -> Case) -> Vec<Case> {
    let large = Fill::Uniform(-90.0, 90.0);
    vec![
        case(1, 4, 1, (1, 1), UNIT),
        case(4, 4, 3, (3, 5), UNIT),
        case(1, 32, 1, (7, 13), UNIT),
        case(2, 8, 3, (2, 2), UNIT),
        case(4, 4, 1, (2, 1), UNIT),
        case(4, 32, 2, (9, 8), UNIT),
        case(3, 12, 1, (65, 1), UNIT),
        case(4, 4, 1, (7, 13), large.clone()),
        case(1, 8, 2, (1, 65), large.clone()),
        case(2, 4, 2, (65, 2), large),
    ]
}
