//! Conversions between every two formats of arrays, and those that choosing
//! kernels puts around a node whose operands are in other formats.

use super::{UNIT, weights};
use crate::case::{ArrayFormats, Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Activation, Conv2d, Convert, Epilogue, Op, Padding};
use srdiff::plan::{Format, Layout, Precision};

const LAYOUTS: [Layout; 3] = [
    Layout::ChannelsLast,
    Layout::ChannelsFirst,
    Layout::ChannelBlocks4,
];
const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::F16];

/// Exact, but for rounding to f16, where the spacing of the smallest numbers
/// is 6e-8.
const BOUND: Bound = Bound {
    f32: 0.0,
    f16: 1.02 / 2048.0,
    scale: Scale::Each(6.2e-5),
};

fn formats() -> impl Iterator<Item = Format> + Clone {
    LAYOUTS
        .into_iter()
        .flat_map(|layout| PRECISIONS.map(|precision| Format::new(layout, precision)))
}

/// From a group of an array into a group of another.
fn convert(from: Format, into: Format, shape: Shape) -> Case {
    let mut case = Case::new(format!("convert/{from} to {into} {shape}"), BOUND);
    case.formats = Some(ArrayFormats {
        f32: from,
        float: into,
    });
    let values = vec![
        0.5, -1.25, 3.0, 1e-6, -7e-8, 60000.0, -0.1, 0.3, 2.0, -2.5, 1e-3, 7.0, 8.0,
    ];
    let whole = shape.with_channels(shape.c + 4);
    let fill = Fill::Repeated(values);
    let array = case.array("x", whole, &[3, shape.c, 1], Element::F32, fill);
    let x = case.view(array, 1, 1);
    case.step_as(Op::Convert(Convert {}), &[x], Element::Float);
    case
}

/// A convolution whose arrays are all in formats that are not its kernel's.
fn around_convolution(format: Format) -> Case {
    let name = format!("convert/around a convolution {format}");
    let mut case = Case::new(name, Bound::of(4e-6));
    case.formats = Some(ArrayFormats {
        f32: format,
        float: format,
    });
    let x = case.float("x", Shape::new(2, 6, 5, 7), UNIT);
    let w = case.weight("w", Shape::new(9, 6, 3, 3), weights(54));
    let shape = Shape::new(2, 9, 5, 7);
    let residual = case.array("r", shape.with_channels(12), &[3, 9], Element::Float, UNIT);
    let residual = case.view(residual, 1, 1);
    let op = Op::Conv2d(Conv2d {
        kernel: 3,
        stride: 1,
        padding: Padding::Reflect,
        bias: false,
        backward: false,
        epilogue: Epilogue {
            residual_scales: vec![1.0],
            ..Epilogue::activation(Activation::Mish)
        },
    });
    case.step(op, &[x, w, residual]);
    case
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes = [
        Shape::new(2, 5, 3, 7),
        Shape::new(1, 8, 5, 1),
        Shape::new(3, 3, 1, 18),
        Shape::new(1, 1, 65, 2),
    ];
    for (at, from) in formats().enumerate() {
        for (offset, into) in formats().enumerate() {
            if from != into {
                cases.push(convert(from, into, shapes[(at + offset) % shapes.len()]));
            }
        }
    }
    cases.extend(formats().map(around_convolution));
    cases
}
