//! Gradients of layers: sizes around the CPU's tiles and a GPU's workgroups,
//! channels around blocks of 4, operands and results that are groups of larger
//! arrays.

use super::{UNIT, group, weights};
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{
    Activation, ActivationGradient, ChannelSum, Conv2dWeightGradient, ConvTranspose2dGradient,
    Dilate, FoldBorder, GroupNormGradient, LinearAttentionGradient, Op, Padding,
    UpsampleNearestGradient,
};

/// f32 sums of products, in any order.
const PRODUCTS: Bound = Bound::of(4e-6);

/// f32 sums of some hundred numbers.
const SUM: Bound = Bound::of(1e-6);

const EXACT: Bound = Bound {
    f32: 0.0,
    f16: 0.0,
    scale: Scale::Largest,
};

/// As those of Mish: see `pointwise`.
const COARSE: Bound = Bound {
    f32: 6e-6,
    f16: 1e-3,
    scale: Scale::Each(1e-4),
};

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };

pub fn cases() -> Vec<Case> {
    let mut cases = activation_cases();
    cases.extend(channel_sums());
    cases.extend(weight_gradients());
    cases.extend(transposed());
    cases.extend(borders());
    cases.extend(group_norms());
    cases.extend(attention());
    cases
}

fn activation(
    words: &str,
    (activation, scale): (Activation, f32),
    shape: Shape,
    x: Fill,
    elements: [Element; 2],
    bound: Bound,
) -> Case {
    let name = format!("activation_gradient/{words} {shape} {elements:?}");
    let mut case = Case::new(name, bound);
    let [from, into] = elements;
    let x = group(&mut case, "x", shape, from, x);
    let dy = group(&mut case, "dy", shape, from, UNIT);
    let op = Op::ActivationGradient(ActivationGradient { activation, scale });
    case.step_as(op, &[x, dy], into);
    case
}

fn activation_cases() -> Vec<Case> {
    use Element::{F32, Float};
    let extremes = vec![
        -100.0, -1.0, 0.0, 20.0, 100.0, -0.0, -20.0, 90.0, -90.0, 1e4, -1e4, 19.999, 20.001, 88.8,
        -88.8, -104.0, 1e-20, -1e-20, 0.5, 6e4, -6e4,
    ];
    let huge = vec![3e38, -3e38, 1e30, -1e30, 1e10, -1e10, 1e-38, -3e-39];
    let zeros = vec![0.0, -0.0, 1.0, -1.0, 0.0, 1e-38, -1e-38];
    let usual = Fill::Uniform(-4.0, 4.0);
    let kinds = [
        ("mish", Activation::Mish, usual.clone(), SUM),
        (
            "mish extremes",
            Activation::Mish,
            Fill::Repeated(extremes.clone()),
            COARSE,
        ),
        ("leaky", LEAKY, usual.clone(), Bound::of(3e-7)),
        ("leaky extremes", LEAKY, Fill::Repeated(extremes), COARSE),
        ("leaky zeros", LEAKY, Fill::Repeated(zeros), COARSE),
        ("none", Activation::None, usual.clone(), Bound::of(3e-7)),
    ];
    let shapes = [
        (2, 5, 3, 7),
        (1, 24, 1, 1),
        (1, 8, 2, 13),
        (3, 1, 65, 2),
        (2, 3, 33, 37),
    ];
    let mut cases = Vec::new();
    for (words, kind, fill, bound) in kinds {
        for (n, c, h, w) in shapes {
            let shape = Shape::new(n, c, h, w);
            let (kind, elements) = ((kind, -0.7), [Float; 2]);
            cases.push(activation(
                words,
                kind,
                shape,
                fill.clone(),
                elements,
                bound,
            ));
        }
    }
    let shape = Shape::new(2, 6, 5, 3);
    for elements in [[F32, Float], [Float, F32], [F32, F32]] {
        let mish = (Activation::Mish, 1.0);
        cases.push(activation(
            "mish",
            mish,
            shape,
            usual.clone(),
            elements,
            SUM,
        ));
    }
    for (words, kind) in [("mish huge", Activation::Mish), ("leaky huge", LEAKY)] {
        let fill = Fill::Repeated(huge.clone());
        cases.push(activation(
            words,
            (kind, 1.0),
            shape,
            fill,
            [F32, F32],
            COARSE,
        ));
    }
    cases
}

fn channel_sum(shape: Shape, per_sample: bool, from: Element, into: Element) -> Case {
    let of = if per_sample { "samples" } else { "all" };
    let name = format!("channel_sum/{of} {shape} {from:?} to {into:?}");
    let mut case = Case::new(name, SUM);
    let x = group(&mut case, "x", shape, from, UNIT);
    let op = Op::ChannelSum(ChannelSum { per_sample });
    case.step_as(op, &[x], into);
    case
}

fn channel_sums() -> Vec<Case> {
    use Element::{F32, Float, Tensor};
    let mut cases = Vec::new();
    for (n, c, h, w) in [
        (1, 1, 1, 1),
        (3, 5, 7, 13),
        (2, 13, 65, 1),
        (1, 7, 33, 37),
        (3, 66, 2, 3),
        (2, 3, 65, 65),
        (65, 7, 1, 1),
    ] {
        let shape = Shape::new(n, c, h, w);
        cases.push(channel_sum(shape, false, Float, Tensor));
        cases.push(channel_sum(shape, true, Float, F32));
    }
    let shape = Shape::new(3, 6, 5, 7);
    for per_sample in [false, true] {
        cases.push(channel_sum(shape, per_sample, F32, F32));
        cases.push(channel_sum(shape, per_sample, F32, Tensor));
    }
    cases.push(channel_sum(shape, false, Float, F32));
    cases.push(channel_sum(shape, true, Float, Tensor));
    cases
}

/// Of a convolution of `channels`; the first and the last group of x are not
/// read if there are more than two.
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
    let rows: [(usize, usize, &[usize], usize, (usize, usize)); 14] = [
        (2, 1, &[1], 1, (1, 1)),
        (2, 1, &[5], 3, (1, 7)),
        (2, 1, &[4], 9, (13, 1)),
        (2, 3, &[33], 31, (2, 3)),
        (2, 1, &[8], 8, (3, 35)),
        (2, 1, &[64], 97, (3, 2)),
        (4, 3, &[6, 3, 5], 7, (3, 5)),
        (4, 1, &[5], 12, (1, 2)),
        (6, 1, &[3], 5, (2, 3)),
        (8, 2, &[5], 9, (3, 2)),
        (16, 1, &[6], 5, (2, 3)),
        (2, 2, &[5], 7, (65, 2)),
        (4, 1, &[3], 9, (1, 65)),
        (2, 2, &[3], 6, (33, 37)),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(stride, n, groups, outputs, size)| {
            case(stride, n, groups, outputs, size, [Float; 2])
        })
        .collect();
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

fn group_norm(groups: usize, shape: Shape, x: Fill, bound: Bound) -> Case {
    let name = format!("group_norm_gradient/{groups} groups of {shape} {x:?}");
    let mut case = Case::new(name, bound);
    let operands = [
        group(&mut case, "x", shape, Element::Float, x),
        // With a mean, on which dx depends.
        group(
            &mut case,
            "dy",
            shape,
            Element::Float,
            Fill::Uniform(-0.5, 1.0),
        ),
        case.weight("w", Shape::vector(shape.c), Fill::Uniform(0.5, 1.5)),
    ];
    let results = [
        case.result("dx", shape, Element::Float),
        case.tensor("dweight", Shape::vector(shape.c), UNIT),
        case.tensor("dbias", Shape::vector(shape.c), UNIT),
    ];
    let op = Op::GroupNormGradient(GroupNormGradient {
        groups,
        epsilon: 1e-5,
    });
    case.step_into(op, &operands, &results);
    case
}

fn group_norms() -> Vec<Case> {
    let bound = Bound::of(5e-6);
    let shapes = [
        (1, (1, 1, 3, 2)),
        (1, (3, 5, 7, 13)),
        (4, (1, 12, 13, 7)),
        (4, (3, 20, 3, 2)),
        (2, (1, 6, 65, 3)),
        (7, (2, 7, 3, 65)),
        (33, (1, 33, 2, 3)),
        (4, (1, 64, 17, 19)),
        (32, (1, 96, 5, 5)),
        (3, (2, 6, 65, 33)),
    ];
    let mut cases: Vec<Case> = shapes
        .into_iter()
        .map(|(groups, (n, c, h, w))| group_norm(groups, Shape::new(n, c, h, w), UNIT, bound))
        .collect();
    // Variances of 3e-7, in which epsilon is nearly everything.
    let tiny = Fill::Uniform(-1e-3, 1e-3);
    cases.push(group_norm(4, Shape::new(2, 12, 7, 9), tiny, bound));
    let wide = Fill::Uniform(990.0, 1010.0);
    cases.push(group_norm(
        2,
        Shape::new(1, 8, 16, 17),
        wide,
        Bound::of(1e-5),
    ));
    cases
}

fn attention() -> Vec<Case> {
    let case = |heads: usize, d: usize, n: usize, (h, w): (usize, usize), fill: Fill| {
        let name = format!("linear_attention_gradient/{heads} heads of {d} {n}x{h}x{w} {fill:?}");
        let bound = match &fill {
            Fill::Uniform(_, high) if *high > 2.0 => 3e-5,
            _ => 5e-6,
        };
        let mut case = Case::new(name, Bound::of(bound));
        let shape = Shape::new(n, heads * d, h, w);
        let qkv = case.float("qkv", shape.with_channels(3 * heads * d), fill);
        let dy = group(&mut case, "dy", shape, Element::Float, UNIT);
        let op = Op::LinearAttentionGradient(LinearAttentionGradient {
            heads,
            head_channels: d,
        });
        case.step(op, &[qkv, dy]);
        case
    };
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
