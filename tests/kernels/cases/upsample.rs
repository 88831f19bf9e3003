//! Enlargement.

use super::UNIT;
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Op, UpsampleBicubic, UpsampleNearest};

const EXACT: Bound = Bound {
    f32: 0.0,
    f16: 0.0,
    scale: Scale::Largest,
};

/// An operation of one operand, which is a group of a larger array.
fn unary(kind: &str, op: Op, shape: Shape, segment: bool, fill: Fill, bound: Bound) -> Case {
    let mut case = Case::new(format!("{kind} {shape}"), bound);
    let x = if segment {
        let whole = shape.with_channels(shape.c + 3);
        let array = case.array("x", whole, &[3, shape.c], Element::Float, fill);
        case.view(array, 1, 1)
    } else {
        case.f32("x", shape, fill)
    };
    case.step(op, &[x]);
    case
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (factor, shape) in [
        (2, Shape::new(3, 5, 7, 13)),
        (2, Shape::new(1, 32, 1, 33)),
        (3, Shape::new(2, 1, 3, 2)),
        (4, Shape::new(1, 9, 13, 1)),
        (2, Shape::new(2, 5, 65, 2)),
        (4, Shape::new(1, 3, 1, 65)),
    ] {
        let op = Op::UpsampleNearest(UpsampleNearest { factor });
        let kind = format!("upsample_nearest/x{factor}");
        cases.push(unary(&kind, op, shape, true, UNIT, EXACT));
    }
    for (factor, shape) in [
        (2, Shape::new(1, 3, 1, 1)),
        (2, Shape::new(3, 3, 7, 13)),
        (3, Shape::new(1, 3, 2, 5)),
        (4, Shape::new(1, 3, 13, 3)),
        (4, Shape::new(2, 5, 1, 7)),
        (8, Shape::new(1, 3, 3, 9)),
        (16, Shape::new(1, 1, 2, 2)),
        (2, Shape::new(2, 3, 1, 65)),
        (4, Shape::new(1, 3, 65, 2)),
        (8, Shape::new(1, 3, 65, 1)),
    ] {
        let op = Op::UpsampleBicubic(UpsampleBicubic { factor });
        let kind = format!("upsample_bicubic/x{factor}");
        cases.push(unary(&kind, op, shape, false, UNIT, Bound::of(1e-6)));
    }
    cases
}
