//! Mish, copies and enlargement.

use super::UNIT;
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Copy, Mish, Op, UpsampleBicubic, UpsampleNearest};

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
        let array = case.array("x", whole, &[3, shape.c], Element::Real, fill);
        case.view(array, 1, 1)
    } else {
        case.full("x", shape, fill)
    };
    case.step(op, &[x]);
    case
}

/// On one range of values, over shapes around a block and a workgroup.
fn mish(range: &str, fill: Fill, bound: Bound) -> impl Iterator<Item = Case> {
    let kind = format!("mish/{range}");
    let shapes = [(2, 5, 3, 7), (1, 24, 1, 1), (1, 8, 2, 13), (3, 1, 65, 2)];
    shapes.into_iter().map(move |(n, c, h, w)| {
        let shape = Shape::new(n, c, h, w);
        unary(&kind, Op::Mish(Mish {}), shape, true, fill.clone(), bound)
    })
}

pub fn cases() -> Vec<Case> {
    // exp may be off by 3 + 2 |x| units in the last place in Vulkan and WGSL:
    // 43 of them, 3e-6, at 20. Denormal numbers may be zero.
    let relative = Bound {
        f32: 6e-6,
        f16: 6e-6 + 1.02 / 2048.0,
        scale: Scale::Each(1e-7),
    };
    // The smallest normal f16 is 6e-5; below, its spacing is 6e-8.
    let coarse = Bound {
        f16: 1e-3,
        scale: Scale::Each(1e-4),
        ..relative
    };
    let extremes = vec![
        0.0, -0.0, 20.0, -20.0, 90.0, -90.0, 1e4, -1e4, 19.999, 20.001, 100.0, -100.0, 88.8, -88.8,
        -104.0, 1e-40, -1e-40, 1e-20, -1e-7, 0.5, -1.2, 6e4, -6e4,
    ];
    let huge = vec![3e38, -3e38, 1e30, -1e30, 1e10, -1e10, 1e-38, -3e-39];
    let mut cases = Vec::new();
    for (range, fill, bound) in [
        ("usual", Fill::Uniform(-4.0, 4.0), Bound::of(1e-6)),
        ("negative", Fill::Uniform(-30.0, 0.0), coarse),
        ("positive", Fill::Uniform(0.0, 30.0), coarse),
        ("extremes", Fill::Repeated(extremes), coarse),
    ] {
        cases.extend(mish(range, fill, bound));
    }
    // Beyond f16: an operand in f32 always.
    let mut case = Case::new("mish/huge", relative);
    let shape = Shape::new(1, 4, 2, 2);
    let x = case.full("x", shape, Fill::Repeated(huge));
    let whole = shape.with_channels(12);
    let array = case.array("y", whole, &[5, 4, 3], Element::Full, UNIT);
    let y = case.view(array, 1, 1);
    case.step_into(Op::Mish(Mish {}), &[x], &[y]);
    cases.push(case);

    for shape in [
        Shape::new(1, 1, 1, 1),
        Shape::new(3, 5, 7, 13),
        Shape::new(1, 33, 2, 65),
    ] {
        cases.push(unary("copy/", Op::Copy(Copy {}), shape, true, UNIT, EXACT));
    }
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
