//! A residual-dense block whole: four convolutions that each extend the array
//! they read, and a fifth over all of it with the block's input as residual.

use super::{UNIT, weights};
use crate::case::{Bound, Case};
use srdiff::graph::{Element, Shape, ValueId};
use srdiff::ops::{Activation, Conv2d, Epilogue, Op, Padding};

/// Errors of five layers add up; each in f16 rounds what the next one reads.
const BOUND: Bound = Bound {
    f32: 5e-6,
    f16: 1e-3,
    ..Bound::of(0.0)
};

fn conv(
    case: &mut Case,
    index: usize,
    x: ValueId,
    y: ValueId,
    epilogue: Epilogue,
    residuals: &[ValueId],
) {
    let (inputs, outputs) = (case.graph.value(x).shape.c, case.graph.value(y).shape.c);
    let shape = Shape::new(outputs, inputs, 3, 3);
    let w = case.weight(&format!("w{index}"), shape, weights(9 * inputs));
    let b = case.weight(&format!("b{index}"), Shape::vector(outputs), UNIT);
    let op = Op::Conv2d(Conv2d {
        kernel: 3,
        stride: 1,
        padding: Padding::Zero,
        bias: true,
        backward: false,
        epilogue,
    });
    let operands = [&[x, w, b], residuals].concat();
    case.step_into(op, &operands, &[y]);
}

fn case(features: usize, growth: usize, n: usize, (h, w): (usize, usize), chained: bool) -> Case {
    let kind = if chained { "into the next" } else { "alone" };
    let name = format!("dense_block/{features}+4x{growth} {n}x{h}x{w} {kind}");
    let mut case = Case::new(name, BOUND);
    let segments = [features, growth, growth, growth, growth];
    let whole = Shape::new(n, features + 4 * growth, h, w);
    let array = case.array("dense", whole, &segments, Element::Float, UNIT);
    let input = case.view(array, 0, 1);
    let leaky = Epilogue::activation(Activation::LeakyRelu { slope: 0.2 });
    for k in 1..=4 {
        let so_far = match k {
            1 => input,
            _ => case.view(array, 0, k),
        };
        let grown = case.view(array, k, 1);
        conv(&mut case, k, so_far, grown, leaky.clone(), &[]);
    }
    let outer = case.float("outer", whole.with_channels(features), UNIT);
    let y = if chained {
        // The next block's array holds the result as its first group.
        let next = case.array("next", whole, &segments, Element::Float, UNIT);
        case.view(next, 0, 1)
    } else {
        case.float("y", whole.with_channels(features), UNIT)
    };
    let epilogue = Epilogue {
        scale: 0.04,
        residual_scales: vec![0.2, 1.0],
        ..Epilogue::none()
    };
    conv(&mut case, 5, array, y, epilogue, &[input, outer]);
    case
}

pub fn cases() -> Vec<Case> {
    vec![
        case(32, 16, 1, (7, 13), true),
        case(10, 5, 3, (3, 6), true),
        case(7, 3, 1, (1, 2), false),
        case(64, 32, 1, (4, 5), false),
        case(5, 2, 1, (65, 1), true),
        case(8, 4, 2, (2, 65), false),
    ]
}

/// See [`super::tiled`].
pub fn tiled() -> Vec<Case> {
    vec![case(10, 5, 3, (3, 6), true), case(5, 18, 1, (65, 1), true)]
}
