//! Epilogues on their own: copies, activations, sums, table rows.

use super::{UNIT, group, records, table_rows};
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Activation, Epilogue, Op, Pointwise};

const EXACT: Bound = Bound {
    f32: 0.0,
    f16: 0.0,
    scale: Scale::Largest,
};

/// exp may be off by 3 + 2 |x| units in the last place in Vulkan and WGSL:
/// 43 of them, 3e-6, at 20. Denormal numbers may be zero.
const RELATIVE: Bound = Bound {
    f32: 6e-6,
    f16: 6e-6 + 1.02 / 2048.0,
    scale: Scale::Each(1e-7),
};

/// The smallest normal f16 is 6e-5; below, its spacing is 6e-8.
const COARSE: Bound = Bound {
    f16: 1e-3,
    scale: Scale::Each(1e-4),
    ..RELATIVE
};

/// A sum of a few products.
const SUM: Bound = Bound::of(3e-7);

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

/// An operation with all of its operands, each a group of a larger array.
fn case(kind: &str, op: Pointwise, shape: Shape, fill: Fill, bound: Bound) -> Case {
    let mut case = Case::new(format!("{kind} {shape}"), bound);
    let x = group(&mut case, "x", shape, Element::Float, fill);
    let operands = operands(&mut case, &op, x, shape, Element::Float);
    case.step(Op::Pointwise(op), &operands);
    case
}

/// x, and what the epilogue reads.
fn operands(
    case: &mut Case,
    op: &Pointwise,
    x: srdiff::graph::ValueId,
    shape: Shape,
    element: Element,
) -> Vec<srdiff::graph::ValueId> {
    let mut operands = vec![x];
    if op.epilogue.table_add {
        let rows = Shape::matrix(5, shape.c);
        operands.push(group(case, "table", rows, Element::F32, UNIT));
        case.records = records(4, 2, table_rows(5));
        case.step = 2;
    }
    for index in 0..op.epilogue.residual_scales.len() {
        let name = format!("r{index}");
        operands.push(group(case, &name, shape, element, UNIT));
    }
    operands
}

/// On one range of values, over shapes around a block and a workgroup.
fn activation(
    name: &str,
    activation: Activation,
    fill: Fill,
    bound: Bound,
) -> impl Iterator<Item = Case> {
    let kind = format!("pointwise/{name}");
    let shapes = [(2, 5, 3, 7), (1, 24, 1, 1), (1, 8, 2, 13), (3, 1, 65, 2)];
    shapes.into_iter().map(move |(n, c, h, w)| {
        let (op, shape) = (Pointwise::activation(activation), Shape::new(n, c, h, w));
        case(&kind, op, shape, fill.clone(), bound)
    })
}

fn everything() -> Pointwise {
    Pointwise {
        epilogue: Epilogue {
            activation: Activation::Mish,
            scale: -0.7,
            shift: 0.4,
            table_add: true,
            residual_scales: vec![0.2, -1.5],
        },
    }
}

pub fn cases() -> Vec<Case> {
    let extremes = vec![
        0.0, -0.0, 20.0, -20.0, 90.0, -90.0, 1e4, -1e4, 19.999, 20.001, 100.0, -100.0, 88.8, -88.8,
        -104.0, 1e-40, -1e-40, 1e-20, -1e-7, 0.5, -1.2, 6e4, -6e4,
    ];
    let huge = vec![3e38, -3e38, 1e30, -1e30, 1e10, -1e10, 1e-38, -3e-39];
    let mut cases = Vec::new();
    let mish = Activation::Mish;
    for (range, fill, bound) in [
        ("mish/usual", Fill::Uniform(-4.0, 4.0), Bound::of(1e-6)),
        ("mish/negative", Fill::Uniform(-30.0, 0.0), COARSE),
        ("mish/positive", Fill::Uniform(0.0, 30.0), COARSE),
        ("mish/extremes", Fill::Repeated(extremes.clone()), COARSE),
    ] {
        cases.extend(activation(range, mish, fill, bound));
    }
    for (range, fill, bound) in [
        ("leaky/usual", Fill::Uniform(-4.0, 4.0), SUM),
        ("leaky/extremes", Fill::Repeated(extremes), COARSE),
    ] {
        cases.extend(activation(range, LEAKY, fill, bound));
    }
    for (kind, activation, element) in [
        // Beyond f16: an operand in f32 always.
        ("mish/huge", Activation::Mish, Element::F32),
        ("leaky/huge", LEAKY, Element::F32),
    ] {
        let mut case = Case::new(format!("pointwise/{kind}"), RELATIVE);
        let shape = Shape::new(1, 4, 2, 2);
        let x = case.f32("x", shape, Fill::Repeated(huge.clone()));
        let op = Op::Pointwise(Pointwise::activation(activation));
        case.step_as(op, &[x], element);
        cases.push(case);
    }

    for shape in [
        Shape::new(1, 1, 1, 1),
        Shape::new(3, 5, 7, 13),
        Shape::new(1, 33, 2, 65),
        Shape::new(2, 3, 33, 37),
    ] {
        let mut add = |kind: &str, op: Pointwise, bound: Bound| {
            cases.push(case(&format!("pointwise/{kind}"), op, shape, UNIT, bound));
        };
        add("copy", Pointwise::copy(), EXACT);
        add("add", Pointwise::add(0.5, -1.5), SUM);
        add("affine", Pointwise::affine(2.0, -1.0), SUM);
        add("table row", Pointwise::add_table_row(), SUM);
        add("everything", everything(), Bound::of(1e-6));
    }
    for (from, into) in [
        (Element::F32, Element::Float),
        (Element::Float, Element::F32),
        (Element::F32, Element::F32),
    ] {
        let name = format!("pointwise/everything {from:?} to {into:?}");
        let mut case = Case::new(name, Bound::of(1e-6));
        let shape = Shape::new(2, 6, 5, 3);
        let x = group(&mut case, "x", shape, from, UNIT);
        let op = everything();
        let operands = operands(&mut case, &op, x, shape, from);
        case.step_as(Op::Pointwise(op), &operands, into);
        cases.push(case);
    }
    // Channel groups that are each padded, in all arrays alike.
    let mut case = Case::new("pointwise/add in groups", SUM);
    let shape = Shape::new(2, 11, 3, 5);
    let mut array = |name| case.array(name, shape, &[3, 6, 2], Element::Float, UNIT);
    let (x, residual, y) = (array("x"), array("r"), array("y"));
    let op = Op::Pointwise(Pointwise::add(1.0, 1.0));
    case.step_into(op, &[x, residual], &[y]);
    cases.push(case);
    cases
}
