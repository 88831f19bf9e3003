//! Gradients of convolutions and of what changes an image's size: sizes around
//! the CPU's tiles and a GPU's workgroups, channels around blocks of 4, operands
//! and results that are groups of larger arrays.

use super::{UNIT, group, weights};
use crate::case::{Bound, Case, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{
    Conv2dWeightGradient, ConvTranspose2dGradient, Dilate, FoldBorder, Op, Padding,
    UpsampleNearestGradient,
};

/// f32 sums of products, in any order.
const PRODUCTS: Bound = Bound::of(4e-6);

/// f32 sums of a few numbers.
const SUM: Bound = Bound::of(1e-6);

const EXACT: Bound = Bound {
    f32: 0.0,
    f16: 0.0,
    scale: Scale::Largest,
};

pub fn cases() -> Vec<Case> {
    let mut cases = weight_gradients();
    cases.extend(transposed());
    cases.extend(borders());
    cases
}

/// The first and the last group of x are not read if there are more than two.
fn weight_gradient(
    (kernel, stride): (usize, usize),
    padding: Padding,
    groups: &[usize],
    outputs: usize,
    (n, h, w): (usize, usize, usize),
    [of_x, of_dy]: [Element; 2],
) -> Case {
    let name = format!(
        "conv2d_weight_gradient/{kernel}x{kernel} s{stride} {padding:?} {groups:?}->{outputs} \
         {n}x{h}x{w} {of_x:?} {of_dy:?}"
    );
    let mut case = Case::new(name, PRODUCTS);
    let whole = Shape::new(n, groups.iter().sum(), h, w);
    let array = case.array("x", whole, groups, of_x, UNIT);
    let x = match groups.len() {
        count @ 3.. => case.view(array, 1, count - 2),
        _ => array,
    };
    let shape = Shape::new(n, outputs, h.div_ceil(stride), w.div_ceil(stride));
    let dy = group(&mut case, "dy", shape, of_dy, UNIT);
    let op = Op::Conv2dWeightGradient(Conv2dWeightGradient {
        kernel,
        stride,
        padding,
    });
    case.step(op, &[x, dy]);
    case
}

fn weight_gradients() -> Vec<Case> {
    use Element::{F32, Float};
    use Padding::{Reflect, Zero};
    let mut cases = Vec::new();
    let kernels = [(3, 1), (3, 2), (1, 1)];
    for kernel in kernels {
        for (padding, least) in [(Zero, 1), (Reflect, 2)] {
            if kernel.0 == 1 && padding == Reflect {
                continue;
            }
            let mut add = |groups: &[usize], outputs, size: (usize, usize, usize)| {
                if size.1.min(size.2) >= least {
                    let elements = [Float; 2];
                    cases.push(weight_gradient(
                        kernel, padding, groups, outputs, size, elements,
                    ));
                }
            };
            for size in [
                (1, 1, 1),
                (1, 1, 7),
                (2, 13, 1),
                (1, 2, 2),
                (1, 2, 3),
                (3, 3, 2),
                (2, 7, 13),
                (1, 3, 65),
                (1, 65, 2),
            ] {
                add(&[5], 3, size);
            }
            // Several of the parts that sums are made of, and several tiles of
            // a row.
            add(&[3], 2, (2, 47, 70));
            add(&[2], 3, (1, 5, 1030));
            for (inputs, outputs) in [(1, 65), (13, 1), (33, 4), (4, 130), (65, 7)] {
                add(&[inputs], outputs, (3, 3, 6));
            }
            add(&[4, 1, 3, 8, 2], 10, (3, 4, 5));
            add(&[3, 6], 7, (1, 5, 4));
        }
        for elements in [[F32, Float], [Float, F32], [F32, F32]] {
            let size = (2, 5, 7);
            cases.push(weight_gradient(kernel, Zero, &[6], 5, size, elements));
        }
    }
    // Of transposed convolutions: x is the larger image.
    for (stride, groups, outputs, size) in [
        (2, vec![1], 1, (1, 2, 2)),
        (2, vec![5], 3, (2, 2, 14)),
        (2, vec![4], 9, (1, 26, 2)),
        (2, vec![33], 31, (3, 4, 6)),
        (2, vec![3], 66, (2, 66, 70)),
        (4, vec![6, 3, 5], 7, (3, 12, 20)),
        (4, vec![3], 2, (1, 4, 1032)),
        (6, vec![3], 5, (1, 12, 18)),
        (8, vec![5], 6, (2, 24, 16)),
    ] {
        let kernel = (2 * stride, stride);
        let elements = [Float; 2];
        cases.push(weight_gradient(
            kernel, Zero, &groups, outputs, size, elements,
        ));
    }
    cases
}

fn transposed() -> Vec<Case> {
    let case = |stride, n, groups: &[usize], outputs: usize, (h, w): (usize, usize), elements| {
        let [from, into]: [Element; 2] = elements;
        let name = format!(
            "conv_transpose2d_gradient/s{stride} {groups:?}->{outputs} {n}x{h}x{w} {from:?} to {into:?}"
        );
        let mut case = Case::new(name, PRODUCTS);
        let inputs: usize = groups.iter().sum();
        let segments: Vec<usize> = [&[6], groups].concat();
        let whole = Shape::new(n, inputs + 6, stride * h, stride * w);
        let array = case.array("dy", whole, &segments, from, UNIT);
        let dy = case.view(array, 1, groups.len());
        let shape = Shape::new(outputs, inputs, 2 * stride, 2 * stride);
        let w = case.weight("w", shape, weights(4 * stride * stride * inputs));
        let op = Op::ConvTranspose2dGradient(ConvTranspose2dGradient { stride });
        case.step_as(op, &[dy, w], into);
        case
    };
    use Element::{F32, Float};
    let float = |stride, n, groups: &[usize], outputs, size| {
        case(stride, n, groups, outputs, size, [Float; 2])
    };
    let mut cases = vec![
        float(2, 1, &[1], 1, (1, 1)),
        float(2, 1, &[5], 3, (1, 7)),
        float(2, 1, &[4], 9, (13, 1)),
        float(2, 3, &[33], 31, (2, 3)),
        float(2, 1, &[8], 8, (3, 35)),
        float(2, 1, &[64], 97, (3, 2)),
        float(4, 3, &[6, 3, 5], 7, (3, 5)),
        float(4, 1, &[5], 12, (1, 2)),
        float(6, 1, &[3], 5, (2, 3)),
        float(8, 2, &[5], 9, (3, 2)),
        float(16, 1, &[6], 5, (2, 3)),
        float(2, 2, &[5], 7, (65, 2)),
        float(4, 1, &[3], 9, (1, 65)),
        float(2, 2, &[3], 6, (33, 37)),
    ];
    for elements in [[F32, Float], [Float, F32]] {
        cases.push(case(2, 2, &[6], 5, (3, 5), elements));
    }
    cases
}

/// What adds or removes pixels.
fn borders() -> Vec<Case> {
    let case = |words: String, op: Op, shape: Shape, bound| {
        let mut case = Case::new(format!("{}/{words} {shape}", op.name()), bound);
        let x = group(&mut case, "x", shape, Element::Float, UNIT);
        case.step(op, &[x]);
        case
    };
    let mut cases = Vec::new();
    for (stride, n, c, height, width) in [
        (1, 2, 3, 5, 4),
        (2, 1, 1, 1, 1),
        (2, 3, 5, 7, 13),
        (2, 1, 4, 6, 10),
        (2, 2, 13, 65, 2),
        (2, 1, 9, 3, 66),
        (3, 2, 6, 7, 8),
    ] {
        let op = Op::Dilate(Dilate {
            stride,
            height,
            width,
        });
        let shape = Shape::new(n, c, height.div_ceil(stride), width.div_ceil(stride));
        let words = format!("s{stride} into {height}x{width}");
        cases.push(case(words, op, shape, EXACT));
    }
    for (padding, least) in [(Padding::Zero, 1), (Padding::Reflect, 2)] {
        for (n, c, h, w) in [
            (1, 1, 1, 1),
            (2, 3, 1, 7),
            (1, 5, 13, 1),
            (1, 4, 2, 2),
            (3, 5, 2, 3),
            (2, 3, 3, 2),
            (1, 7, 3, 3),
            (3, 13, 7, 13),
            (1, 65, 4, 5),
            (2, 3, 65, 2),
            (1, 9, 3, 65),
        ] {
            if h.min(w) >= least {
                let op = Op::FoldBorder(FoldBorder { padding });
                let shape = Shape::new(n, c, h + 2, w + 2);
                cases.push(case(format!("{padding:?}"), op, shape, Bound::of(3e-7)));
            }
        }
    }
    for (factor, n, c, h, w) in [
        (2, 3, 5, 7, 13),
        (2, 1, 32, 1, 33),
        (3, 2, 1, 3, 2),
        (4, 1, 9, 13, 1),
        (2, 2, 5, 65, 2),
        (4, 1, 3, 1, 65),
        (1, 1, 3, 2, 7),
    ] {
        let op = Op::UpsampleNearestGradient(UpsampleNearestGradient { factor });
        let shape = Shape::new(n, c, factor * h, factor * w);
        cases.push(case(format!("x{factor}"), op, shape, SUM));
    }
    cases
}
