//! Graphs that no kernel computes rightly do not get as far as a device.

use crate::case::{Bound, Case, Fill};
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::gpu::AdapterSummary;
use srdiff::exec::{PrepareError, PrepareOptions, Target};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{Conv2d, Epilogue, Op, Padding};
use srdiff::plan::Precision;

pub fn tests() -> Vec<Test> {
    let test = |name: &str, case: fn() -> Case, says: &'static str| {
        Test::test(name.to_owned(), move || refused(&case(), says))
    };
    vec![
        test(
            "lowering/a residual in the array written",
            residual_beside_result,
            "'array[1..2]'",
        ),
        test(
            "lowering/a result over its operand",
            result_over_operand,
            "'x'",
        ),
        test(
            "lowering/a result in two groups",
            result_in_two_groups,
            "[3, 5]",
        ),
    ]
}

fn convolution(residuals: usize) -> Op {
    Op::Conv2d(Conv2d {
        kernel: 1,
        stride: 1,
        padding: Padding::Zero,
        bias: false,
        backward: false,
        epilogue: Epilogue {
            residual_scales: vec![1.0; residuals],
            ..Epilogue::none()
        },
    })
}

fn residual_beside_result() -> Case {
    let mut case = Case::new("residual beside result", Bound::of(0.0));
    let shape = Shape::new(1, 8, 2, 2);
    let unit = Fill::Uniform(-1.0, 1.0);
    let array = case.array("array", shape, &[4, 4], Element::Float, unit.clone());
    let (residual, y) = (case.view(array, 0, 1), case.view(array, 1, 1));
    let x = case.float("x", shape.with_channels(4), unit.clone());
    let w = case.weight("w", Shape::new(4, 4, 1, 1), unit);
    case.step_into(convolution(1), &[x, w, residual], &[y]);
    case
}

fn result_over_operand() -> Case {
    let mut case = Case::new("result over operand", Bound::of(0.0));
    let unit = Fill::Uniform(-1.0, 1.0);
    let x = case.float("x", Shape::new(1, 4, 2, 2), unit.clone());
    let w = case.weight("w", Shape::new(4, 4, 1, 1), unit);
    case.step_into(convolution(0), &[x, w], &[x]);
    case
}

fn result_in_two_groups() -> Case {
    let mut case = Case::new("result in two groups", Bound::of(0.0));
    let unit = Fill::Uniform(-1.0, 1.0);
    let shape = Shape::new(1, 8, 2, 2);
    let x = case.float("x", shape, unit.clone());
    let y = case.array("y", shape, &[3, 5], Element::Float, unit.clone());
    let w = case.weight("w", Shape::new(8, 8, 1, 1), unit);
    case.step_into(convolution(0), &[x, w], &[y]);
    case
}

/// The error names what is in the wrong place.
fn refused(case: &Case, says: &str) -> Result<(), Failed> {
    let graphs = std::slice::from_ref(&case.graph);
    let target = Target::gpu(&AdapterSummary::baseline(), Precision::F32);
    let error = match target.prepare(graphs, &PrepareOptions::default()) {
        Err(PrepareError::Plan(error)) => error.to_string(),
        Err(PrepareError::Exec(error)) => error.to_string(),
        Ok(_) => return Err("was lowered".into()),
    };
    match error.contains("conv2d") && error.contains(says) {
        true => Ok(()),
        false => Err(error.into()),
    }
}
