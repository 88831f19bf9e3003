//! Losses and the optimizer.

use super::{UNIT, group};
use crate::case::{Bound, Case, Fill, Scale};
use srdiff::graph::{Element, Shape, ValueId};
use srdiff::ops::{Accumulate, Adam, AdamStep, Loss, Norm, Op, SquaredNorms};

/// Each element by itself, of whatever size it is.
const RELATIVE: Bound = Bound {
    f32: 2e-6,
    f16: 2e-6,
    scale: Scale::Each(1e-30),
};

pub fn cases() -> Vec<Case> {
    let mut cases = losses();
    cases.extend(norms());
    cases.extend(adams());
    cases.extend(sums());
    cases
}

fn loss(
    norm: Norm,
    shape: Shape,
    element: Element,
    [prediction, target]: [Fill; 2],
    scale: f32,
) -> Case {
    let kind = match &prediction {
        Fill::Repeated(values) => format!(" {} {}", values[0], values[1]),
        Fill::Uniform(..) => String::new(),
    };
    let name = format!("loss/{norm:?} {shape} {element:?} times {scale}{kind}");
    let mut case = Case::new(name, Bound::of(1e-6));
    let operands = [
        group(&mut case, "prediction", shape, element, prediction),
        group(&mut case, "target", shape, Element::F32, target),
        case.f32("scale", Shape::vector(1), Fill::Repeated(vec![scale])),
    ];
    let results = [
        case.result("gradient", shape, Element::F32),
        case.result("loss", Shape::vector(1), Element::F32),
    ];
    case.step_into(Op::Loss(Loss { norm }), &operands, &results);
    case
}

fn losses() -> Vec<Case> {
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    // Differences of nothing among others.
    let equal = [
        Fill::Repeated(vec![0.5, -1.0, 0.25]),
        Fill::Repeated(vec![0.5, 2.0]),
    ];
    let mut cases = Vec::new();
    for norm in [Norm::L1, Norm::L2] {
        for (n, c, h, w) in [
            (1, 1, 1, 1),
            (1, 3, 2, 3),
            (3, 3, 7, 13),
            (2, 3, 65, 33),
            (1, 3, 13, 1),
            (2, 6, 3, 65),
        ] {
            let shape = Shape::new(n, c, h, w);
            let fills = [UNIT, UNIT];
            cases.push(loss(norm, shape, Element::F32, fills, 1024.0));
        }
        let shape = Shape::new(2, 3, 5, 7);
        let mut add = |element, fills| cases.push(loss(norm, shape, element, fills, 1.0));
        add(Element::Float, [UNIT, UNIT]);
        add(Element::F32, equal.clone());
        for broken in [nan, infinity, -infinity] {
            let values = vec![0.5, broken, 2.0, -1.0, 0.25];
            add(Element::F32, [Fill::Repeated(values), UNIT]);
        }
        // Infinite and of one sign: their difference is no number.
        let both = |last| Fill::Repeated(vec![infinity, 0.5, -infinity, last]);
        add(Element::F32, [both(3.0), both(1.0)]);
    }
    cases
}

/// Tensors of such sizes and fills.
fn norms_of(name: &str, tensors: Vec<(Shape, Fill)>, bound: Bound) -> Case {
    let mut case = Case::new(format!("squared_norms/{name}"), bound);
    let operands: Vec<ValueId> = tensors
        .into_iter()
        .enumerate()
        .map(|(index, (shape, fill))| case.tensor(&format!("x{index}"), shape, fill))
        .collect();
    case.step(Op::SquaredNorms(SquaredNorms {}), &operands);
    case
}

fn norms() -> Vec<Case> {
    let sizes = [1, 2, 3, 7, 13, 65, 1000, 1024, 1025, 20_011];
    let vectors = sizes.map(|size| (Shape::vector(size), UNIT));
    let kernels = vec![
        (Shape::new(7, 5, 3, 3), UNIT),
        (Shape::new(13, 65, 1, 1), UNIT),
        (Shape::new(2, 3, 4, 4), Fill::Uniform(-1e3, 1e3)),
        (Shape::vector(7), Fill::Uniform(-1e-6, 1e-6)),
    ];
    let many = (0..150).map(|i| (Shape::vector(1 + i * 37 % 65), UNIT));
    let with = |broken: &[f32], size| {
        let usual = (0..31).map(|i| i as f32 / 8.0);
        let values = usual.chain(broken.iter().copied()).collect();
        (Shape::vector(size), Fill::Repeated(values))
    };
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let broken = vec![
        with(&[nan], 65),
        with(&[], 65),
        with(&[infinity], 2000),
        with(&[-infinity], 33),
        with(&[nan, infinity], 33),
        with(&[nan], 31), // which holds none
        with(&[infinity, nan], 1000),
        with(&[0.0], 7),
    ];
    vec![
        norms_of("one", vec![(Shape::vector(1), UNIT)], RELATIVE),
        norms_of("vectors", vectors.to_vec(), RELATIVE),
        norms_of("kernels", kernels, RELATIVE),
        norms_of("many", many.collect(), RELATIVE),
        norms_of("broken", broken, RELATIVE),
        norms_of(
            "zeros",
            vec![(Shape::vector(7), Fill::Repeated(vec![0.0, -0.0]))],
            RELATIVE,
        ),
    ]
}

fn adam(name: &str, shapes: &[Shape], step: AdamStep, fills: [Fill; 4]) -> Case {
    let mut case = Case::new(format!("adam/{name} {}", shapes[0]), Bound::of(1e-6));
    let fill = Fill::Repeated(step.elements().to_vec());
    let step = case.tensor("step", AdamStep::SHAPE, fill);
    let op = Op::Adam(Adam {
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
    });
    for (index, &shape) in shapes.iter().enumerate() {
        let [m, v, average, gradient] = &fills;
        let mut tensor = |name: &str, fill: &Fill| {
            let name = format!("{name}{index}");
            case.tensor(&name, shape, fill.clone())
        };
        let states = [
            tensor("parameter", &UNIT),
            tensor("m", m),
            tensor("v", v),
            tensor("average", average),
        ];
        let [parameter, m, v, average] = states;
        let gradient = tensor("gradient", gradient);
        let operands = [parameter, m, v, average, gradient, step];
        case.step_into(op.clone(), &operands, &states);
    }
    case
}

fn adams() -> Vec<Case> {
    let usual = AdamStep {
        rate: 0.01,
        gradient_scale: 0.5,
        l2: 0.0,
        decay: 0.0,
        correction1: 0.271,
        correction2: 0.0297,
        average: 0.9,
    };
    let l2 = AdamStep { l2: 0.1, ..usual };
    let decay = AdamStep {
        decay: 0.1,
        average: 0.0,
        ..usual
    };
    let fills = || [UNIT, Fill::Uniform(0.0, 1.0), UNIT, UNIT];
    let zero = Fill::Repeated(vec![0.0]);
    let first = AdamStep {
        correction1: 0.1,
        correction2: 0.01,
        ..usual
    };
    let zeros = [zero.clone(), zero.clone(), UNIT, UNIT];
    let no_gradient = [zero.clone(), zero.clone(), UNIT, zero];
    let (kernel, vector) = (Shape::new(7, 5, 3, 3), Shape::vector(65));
    let mut cases = vec![
        adam("l2", &[kernel], l2, fills()),
        adam("decay", &[kernel], decay, fills()),
        adam("first step", &[kernel], first, zeros),
        adam("no gradient", &[vector], first, no_gradient),
        adam("two tensors", &[vector, kernel], l2, fills()),
    ];
    for size in [1, 2, 3, 7, 13, 20_011] {
        cases.push(adam("usual", &[Shape::vector(size)], usual, fills()));
    }
    cases
}

fn sums() -> Vec<Case> {
    let shapes = [
        Shape::vector(1),
        Shape::vector(3),
        Shape::vector(65),
        Shape::vector(20_011),
        Shape::new(7, 5, 3, 3),
        Shape::new(13, 2, 1, 1),
        Shape::new(2, 3, 4, 4),
    ];
    let case = |shape: Shape| {
        let mut case = Case::new(format!("accumulate/{shape}"), Bound::of(1e-7));
        let total = case.tensor("total", shape, UNIT);
        let x = case.tensor("x", shape, UNIT);
        case.step_into(Op::Accumulate(Accumulate {}), &[total, x], &[total]);
        case
    };
    shapes.into_iter().map(case).collect()
}
