//! Gradients of layers other than convolutions, sizes around the CPU's tasks.
//! Operands and results are groups of larger arrays.

use super::{UNIT, group, linear_attention};
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{
    Activation, ActivationGradient, ChannelSum, GroupNormGradient, LinearAttentionGradient, Op,
};

/// f32 sums of some hundred numbers.
const SUM: Bound = Bound::of(1e-6);

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
    // GPUs may take what is smaller for zero, where the slope is that of negatives.
    const SMALLEST: f32 = f32::MIN_POSITIVE;
    let huge = vec![3e38, -3e38, 1e30, -1e30, 1e10, -1e10, SMALLEST, -3e-39];
    let zeros = vec![0.0, -0.0, 1.0, -1.0, 0.0, SMALLEST, -SMALLEST];
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
        // A GPU makes the statistics of parts first.
        (2, (2, 6, 65, 127)),
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
    linear_attention::of_sizes(case)
}
