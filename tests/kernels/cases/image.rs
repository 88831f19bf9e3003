//! Images out: the sum with the enlargement, and the count of what is broken.

use super::UNIT;
use crate::case::{Bound, Case, Fill};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{CountNonFinite, Op, Reconstruct};

fn reconstruct(shape: Shape, res_rescale: f32) -> Case {
    let name = format!("reconstruct/{shape} / {res_rescale}");
    let mut case = Case::new(name, Bound::of(3e-7));
    let x = case.f32("x", shape, Fill::Uniform(-2.0, 2.0));
    let up = case.f32("up", shape, UNIT);
    case.step(Op::Reconstruct(Reconstruct { res_rescale }), &[x, up]);
    case
}

/// What is no number stays none, beside large numbers that are clamped.
fn faulty_reconstruct(shape: Shape) -> Case {
    let mut case = Case::new(
        format!("reconstruct/NaN and infinities {shape}"),
        Bound::of(3e-7),
    );
    let broken = [
        f32::NAN,
        0.25,
        f32::INFINITY,
        -3e38,
        f32::NEG_INFINITY,
        3e38,
        -0.5,
    ];
    let x = case.f32("x", shape, Fill::Repeated(broken.to_vec()));
    let up = case.f32("up", shape, UNIT);
    let op = Reconstruct { res_rescale: 2.0 };
    case.step(Op::Reconstruct(op), &[x, up]);
    case
}

/// Broken numbers among the largest that are not, in a group of a larger array
/// that is full of them: beside the group, and in its padding.
fn count(shape: Shape, element: Element, broken: &[f32]) -> Case {
    let kinds: Vec<String> = broken.iter().map(ToString::to_string).collect();
    let name = format!(
        "count_non_finite/{} in {shape} {element:?}",
        kinds.join(" ")
    );
    let mut case = Case::new(name, Bound::of(0.0));
    let largest = match element {
        Element::F32 | Element::Tensor => f32::MAX,
        Element::Float => half::f16::MAX.to_f32(),
    };
    let numbers = [0.25, largest, -largest, -0.0, 1e-40, -3.0, 1e-7];
    let values = [broken, &numbers].concat();
    let whole = shape.with_channels(shape.c + 4);
    let array = case.array(
        "x",
        whole,
        &[3, shape.c, 1],
        element,
        Fill::Repeated(values),
    );
    case.padding = f32::NAN;
    let x = case.view(array, 1, 1);
    case.step(Op::CountNonFinite(CountNonFinite {}), &[x]);
    case
}

pub fn cases() -> Vec<Case> {
    use Element::{F32, Float};
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    vec![
        reconstruct(Shape::new(1, 3, 7, 13), 2.0),
        reconstruct(Shape::new(3, 3, 13, 1), 1.0),
        reconstruct(Shape::new(2, 3, 5, 65), 4.0),
        faulty_reconstruct(Shape::new(1, 3, 5, 13)),
        count(Shape::new(1, 3, 3, 5), F32, &[nan]),
        count(Shape::new(1, 3, 4, 7), F32, &[infinity]),
        count(Shape::new(1, 3, 4, 7), F32, &[-infinity]),
        count(Shape::new(2, 3, 7, 65), F32, &[nan, infinity, -infinity]),
        count(Shape::new(3, 5, 65, 1), F32, &[nan, infinity, -infinity]),
        count(Shape::new(1, 9, 2, 200), F32, &[nan, infinity]),
        count(Shape::new(1, 1, 1, 1), F32, &[nan]),
        count(Shape::new(2, 3, 5, 13), F32, &[]),
        count(Shape::new(2, 6, 5, 13), Float, &[nan, infinity, -infinity]),
        count(Shape::new(1, 3, 3, 66), Float, &[-infinity]),
    ]
}
