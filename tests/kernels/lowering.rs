//! Graphs that no kernel computes rightly do not get as far as a device.

use crate::case::{Bound, Case, Fill};
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::gpu::kernels::{Target, lower};
use srdiff::exec::gpu::{AdapterSummary, plan_options};
use srdiff::graph::{Element, Precision, Shape, plan};
use srdiff::ops::{Conv2d, Epilogue, Op, Padding};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub fn tests() -> Vec<Test> {
    let test =
        |name: &str, case: fn() -> Case| Test::test(name.to_owned(), move || misplaced(case()));
    vec![
        test(
            "lowering/a residual in the array written",
            residual_beside_result,
        ),
        test("lowering/a result over its operand", result_over_operand),
        test("lowering/a result in two groups", result_in_two_groups),
    ]
}

fn convolution(residuals: usize) -> Op {
    Op::Conv2d(Conv2d {
        kernel: 1,
        stride: 1,
        padding: Padding::Zero,
        bias: false,
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
    let array = case.array("array", shape, &[4, 4], Element::Real, unit.clone());
    let (residual, y) = (case.view(array, 0, 1), case.view(array, 1, 1));
    let x = case.real("x", shape.with_channels(4), unit.clone());
    let w = case.weight("w", Shape::new(4, 4, 1, 1), unit);
    case.step_into(convolution(1), &[x, w, residual], &[y]);
    case
}

fn result_over_operand() -> Case {
    let mut case = Case::new("result over operand", Bound::of(0.0));
    let unit = Fill::Uniform(-1.0, 1.0);
    let x = case.real("x", Shape::new(1, 4, 2, 2), unit.clone());
    let w = case.weight("w", Shape::new(4, 4, 1, 1), unit);
    case.step_into(convolution(0), &[x, w], &[x]);
    case
}

fn result_in_two_groups() -> Case {
    let mut case = Case::new("result in two groups", Bound::of(0.0));
    let unit = Fill::Uniform(-1.0, 1.0);
    let shape = Shape::new(1, 8, 2, 2);
    let x = case.real("x", shape, unit.clone());
    let y = case.array("y", shape, &[3, 5], Element::Real, unit.clone());
    let w = case.weight("w", Shape::new(8, 8, 1, 1), unit);
    case.step_into(convolution(0), &[x, w], &[y]);
    case
}

fn misplaced(case: Case) -> Result<(), Failed> {
    let graphs = std::slice::from_ref(&case.graph);
    let program = plan(graphs, plan_options(Precision::F32))?;
    let phase = &program.phases[0];
    let baseline = AdapterSummary::baseline();
    let target = Target::of(&baseline);
    match catch_unwind(AssertUnwindSafe(|| lower(phase, &phase.steps[0], &target))) {
        Err(_) => Ok(()),
        Ok(_) => Err("was lowered".into()),
    }
}
