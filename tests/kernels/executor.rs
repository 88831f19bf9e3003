//! What the GPU executor refuses, and how it goes on afterwards.

use crate::case::{Bound, Case, Fill, Filled};
use crate::compare::Trial;
use crate::subjects::{Device, Subject};
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::gpu::kernels::lower;
use srdiff::exec::gpu::{AdapterKind, Gpu, GpuExecutor, plan_options};
use srdiff::exec::{ExecError, Executor};
use srdiff::graph::{Element, Precision, Program, Shape, Slot, plan};
use srdiff::ops::{Conv2d, Copy, Epilogue, Noise, Op, Padding};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;

type Check = fn(&Arc<Gpu>, &Subject) -> Result<(), Failed>;

const OUT_OF_MEMORY: &str = "executor/running out of memory is no end";

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = vec![
        Test::test("lowering/a residual in the array written", || {
            misplaced(residual_beside_result())
        }),
        Test::test("lowering/a result over its operand", || {
            misplaced(result_over_operand())
        }),
        Test::test("lowering/a result in two groups", || {
            misplaced(result_in_two_groups())
        }),
    ];
    for subject in subjects {
        let Device::Gpu(gpu) = subject.device() else {
            continue;
        };
        let checks: [(&str, Check); 4] = [
            (
                "executor/too many workgroups are refused",
                too_many_workgroups,
            ),
            ("executor/too large an array is refused", too_large_array),
            (OUT_OF_MEMORY, out_of_memory),
            ("executor/more records than before", more_records),
        ];
        for (name, check) in checks {
            let (gpu, subject) = (gpu.clone(), subject.clone());
            let name = format!("{name} on {}", subject.name);
            tests.push(Test::test(name, move || check(&gpu, &subject)));
        }
    }
    tests
}

fn copy(shape: Shape) -> Case {
    let mut case = Case::new(format!("copy of {shape}"), Bound::of(0.0));
    let x = case.real("x", shape, Fill::Uniform(-1.0, 1.0));
    let y = case.real("y", shape, Fill::Uniform(-1.0, 1.0));
    case.step_into(Op::Copy(Copy {}), &[x], &[y]);
    case
}

fn planned(case: &Case, subject: &Subject) -> Result<Program, Failed> {
    plan(std::slice::from_ref(&case.graph), subject.options).map_err(Failed::from)
}

fn open(gpu: &Arc<Gpu>, case: &Case, program: Program) -> Result<GpuExecutor, ExecError> {
    let halves = program.options.precision == Precision::F16;
    GpuExecutor::new(gpu.clone(), program, &Filled { case, halves })
}

/// The executor still does ordinary work on this GPU.
fn still_works(subject: &Subject) -> Result<(), Failed> {
    let (trial, outcome) = Trial::run(&copy(Shape::new(1, 5, 3, 7)), subject)?;
    trial.check(&outcome)?;
    Ok(())
}

fn too_many_workgroups(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let planes = gpu.summary().max_workgroups as usize + 1;
    let case = copy(Shape::new(planes, 4, 1, 1));
    match open(gpu, &case, planned(&case, subject)?) {
        Err(ExecError::Limit { needed, what, .. })
            if needed == planes as u64 && what.contains("workgroups") =>
        {
            still_works(subject)
        }
        Err(error) => Err(format!("another error: {error}").into()),
        Ok(_) => Err("was accepted".into()),
    }
}

fn too_large_array(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let pixels = (gpu.summary().max_binding_bytes as usize / 8).isqrt() + 1000;
    let case = copy(Shape::new(1, 4, pixels, pixels));
    match open(gpu, &case, planned(&case, subject)?) {
        Err(ExecError::Limit { what, .. }) if what.contains("array") => still_works(subject),
        Err(error) => Err(format!("another error: {error}").into()),
        Ok(_) => Err("was accepted".into()),
    }
}

/// Says to this program that it runs with little memory.
const LITTLE_MEMORY: &str = "SRDIFF_TEST_LITTLE_MEMORY";

/// A software adapter takes its memory from the system, which promises more
/// than it has: there, this runs again in a process that has less.
fn out_of_memory(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let software = gpu.summary().kind == AdapterKind::Software;
    if !software || std::env::var_os(LITTLE_MEMORY).is_some() {
        return sixteen_tebibytes(gpu, subject);
    }
    if cfg!(not(unix)) {
        return Ok(()); // nothing to limit it with
    }
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v 64000000; exec "$0" --exact "$1""#])
        .arg(std::env::current_exe()?)
        .arg(format!("{OUT_OF_MEMORY} on {}", subject.name))
        .env(LITTLE_MEMORY, "1")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.success() && text.contains("1 passed") {
        true => Ok(()),
        false => Err(text.into_owned().into()),
    }
}

/// Slots of 16 TiB in all, each within the limits.
fn sixteen_tebibytes(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let case = copy(Shape::new(1, 4, 2, 2));
    let mut program = planned(&case, subject)?;
    let summary = gpu.summary();
    let bytes = summary.max_binding_bytes.min(summary.max_buffer_bytes) & !15;
    let huge = Slot { bytes, owner: None };
    let count = (16u64 << 40).div_ceil(bytes);
    program.slots.extend(vec![huge; count as usize]);
    match open(gpu, &case, program) {
        Err(ExecError::OutOfMemory { needed_mib, .. }) if needed_mib >= 16 << 20 => {
            still_works(subject)
        }
        Err(error) => Err(format!("another error: {error}").into()),
        Ok(_) => Err("was accepted".into()),
    }
}

/// The table of records grows between runs, and shrinks.
fn more_records(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let shape = Shape::new(1, 3, 4, 4);
    let mut case = Case::new("noise", Bound::of(0.0));
    let x = case.full("x", shape, Fill::Uniform(0.0, 0.0));
    case.step_into(Op::Noise(Noise { shape }), &[], &[x]);
    let mut executor = open(gpu, &case, planned(&case, subject)?)?;
    let record = |step| srdiff::exec::StepRecord {
        noise_step: step,
        ..Default::default()
    };
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for (count, step) in [(1, 0), (300, 7), (300, 299), (2, 1)] {
        let records: Vec<_> = (0..count).map(record).collect();
        executor.set_steps(&records)?;
        executor.run(0, step)?;
        seen.push(executor.read("x")?);
    }
    let expected = [0, 7, 299, 1].map(|step| {
        crate::reference::evaluate(&Op::Noise(Noise { shape }), &[], &record(step))[0].clone()
    });
    for (seen, expected) in seen.iter().zip(&expected) {
        let close = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() < 1e-5;
        if !seen.iter().zip(&expected.data).all(close) {
            return Err("the noise of another record".into());
        }
    }
    Ok(())
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

/// A graph that no kernel computes rightly does not get as far as a device.
fn misplaced(case: Case) -> Result<(), Failed> {
    let graphs = std::slice::from_ref(&case.graph);
    let program = plan(graphs, plan_options(Precision::F32))?;
    let phase = &program.phases[0];
    match catch_unwind(AssertUnwindSafe(|| lower(phase, &phase.steps[0]))) {
        Err(_) => Ok(()),
        Ok(_) => Err("was lowered".into()),
    }
}
