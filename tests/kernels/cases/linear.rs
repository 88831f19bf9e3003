//! Fully connected layers.

use super::{UNIT, weights};
use crate::case::{Bound, Case};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Linear, Op};

/// A table of the time embedding: from f32 into f32, whatever the weights are
/// stored in.
fn table(rows: usize, inputs: usize, outputs: usize) -> Case {
    let name = format!("linear/table of {rows} x {inputs}->{outputs}");
    let mut case = Case::new(name, Bound::of(3e-6));
    let x = case.f32("x", Shape::matrix(rows, inputs), UNIT);
    let w = case.weight("w", Shape::matrix(outputs, inputs), weights(inputs));
    let b = case.weight("b", Shape::vector(outputs), UNIT);
    let whole = Shape::matrix(rows, outputs + 8);
    let array = case.array("y", whole, &[5, outputs, 3], Element::F32, UNIT);
    let y = case.view(array, 1, 1);
    case.step_into(Op::Linear(Linear {}), &[x, w, b], &[y]);
    case
}

fn case(rows: usize, inputs: usize, outputs: usize) -> Case {
    let name = format!("linear/{rows} x {inputs}->{outputs}");
    let mut case = Case::new(name, Bound::of(3e-6));
    let x = case.float("x", Shape::matrix(rows, inputs), UNIT);
    let w = case.weight("w", Shape::matrix(outputs, inputs), weights(inputs));
    let b = case.weight("b", Shape::vector(outputs), UNIT);
    case.step(Op::Linear(Linear {}), &[x, w, b]);
    case
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![table(100, 32, 64), table(7, 5, 3), table(65, 2, 13)];
    cases.extend(
        [
            (1, 1, 1),
            (1, 32, 128),
            (100, 33, 5),
            (7, 256, 64),
            (65, 3, 31),
            (13, 4, 96),
        ]
        .map(|(rows, inputs, outputs)| case(rows, inputs, outputs)),
    );
    cases
}
