//! What the GPU executor refuses, and how it goes on afterwards.

use crate::case::{Bound, Case, Fill};
use crate::compare::Trial;
use crate::subjects::{Device, Subject};
use libtest_mimic::{Failed, Trial as Test};
use srdiff::exec::gpu::{
    AdapterKind, Gpu, GpuBackend, GpuExecutor, GpuOptions, MAX_DISPATCH_FLOPS,
};
use srdiff::exec::{ExecError, Executor, PrepareOptions, StepRecord};
use srdiff::graph::Shape;
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::ops::{Noise, Op, Pointwise};
use srdiff::plan::{Owner, PACK, Precision, Program, SLOT_ALIGNMENT, Slot, choose, plan};
use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;

type Check = fn(&Arc<Gpu>, &Subject) -> Result<(), Failed>;

const OUT_OF_MEMORY: &str = "executor/running out of memory is no end";

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let on_gpus = subjects.iter().filter(|subject| subject.is_gpu());
    let checks = |subject: &Arc<Subject>| {
        let mut checks: Vec<(&str, Check)> = vec![
            (
                "executor/too many workgroups are refused",
                too_many_workgroups,
            ),
            ("executor/too large an array is refused", too_large_array),
            ("executor/more records than before", more_records),
            ("executor/split submits compute the same", split_submits),
            (
                "executor/split dispatches compute the same",
                split_dispatches,
            ),
            ("executor/every dispatch is timed", every_dispatch_is_timed),
            ("executor/a lost device is an error", lost_device),
        ];
        if subject.precision() == Precision::F32 {
            checks.push(("executor/the peak is measured", peak));
        }
        let tests = checks
            .into_iter()
            .map(|(name, check)| test(name, check, subject));
        tests.collect::<Vec<_>>()
    };
    on_gpus.flat_map(checks).collect()
}

/// What takes all of a GPU's memory, so that nothing else can run there.
pub fn tests_alone(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let on_gpus = subjects.iter().filter(|subject| subject.is_gpu());
    on_gpus
        .map(|subject| test(OUT_OF_MEMORY, out_of_memory, subject))
        .collect()
}

fn test(name: &str, check: Check, subject: &Arc<Subject>) -> Test {
    let subject = subject.clone();
    let name = format!("{name} on {}", subject.name);
    Test::test(name, move || match subject.device() {
        Device::Gpu(gpu) => check(gpu, &subject),
        Device::Cpu => Err("is no GPU".into()),
    })
}

fn copy(shape: Shape) -> Case {
    let mut case = Case::new(format!("copy of {shape}"), Bound::of(0.0));
    let x = case.float("x", shape, Fill::Uniform(-1.0, 1.0));
    let y = case.float("y", shape, Fill::Uniform(-1.0, 1.0));
    case.step_into(Op::Pointwise(Pointwise::copy()), &[x], &[y]);
    case
}

fn planned(case: &Case, subject: &Subject) -> Result<Program, Failed> {
    let (graphs, kernels) = (std::slice::from_ref(&case.graph), subject.kernels());
    let chosen = choose(graphs, kernels, false)?;
    Ok(plan(&chosen, kernels.threads(), kernels.precision())?)
}

/// Lowers and loads a program on a GPU that may be another than the subject's.
fn open(
    gpu: &Arc<Gpu>,
    case: &Case,
    program: Program,
    max_dispatch_flops: u64,
) -> Result<GpuExecutor, ExecError> {
    let precision = program.precision;
    let lowered = srdiff::exec::gpu::lower(&program, max_dispatch_flops)?;
    let backend = GpuBackend::new(gpu.clone(), precision, Arc::new(case.clone()));
    // SAFETY: lowered here.
    unsafe { backend.load(lowered) }
}

fn open_planned(gpu: &Arc<Gpu>, case: &Case, subject: &Subject) -> Result<GpuExecutor, Failed> {
    let program = planned(case, subject)?;
    Ok(open(gpu, case, program, MAX_DISPATCH_FLOPS)?)
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
    match open(gpu, &case, planned(&case, subject)?, MAX_DISPATCH_FLOPS) {
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
    match open(gpu, &case, planned(&case, subject)?, MAX_DISPATCH_FLOPS) {
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
    let largest = summary.max_binding_bytes.min(summary.max_buffer_bytes);
    let bytes = largest / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    let owner = Owner::Temporaries;
    let count = (16u64 << 40).div_ceil(bytes);
    let huge = vec![Slot { bytes, owner }; count as usize];
    program.slots.extend(huge);
    program.memory.temporary_bytes += count * bytes;
    match open(gpu, &case, program, MAX_DISPATCH_FLOPS) {
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
    let x = case.f32("x", shape, Fill::Uniform(0.0, 0.0));
    case.step_into(Op::Noise(Noise { shape }), &[], &[x]);
    let mut executor = open_planned(gpu, &case, subject)?;
    let record = |step| StepRecord {
        noise_step: step,
        ..Default::default()
    };
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for (count, step) in [(1, 0), (300, 7), (300, 299), (2, 1)] {
        let records: Vec<_> = (0..count).map(record).collect();
        executor.set_records(&records)?;
        executor.run("noise", step)?;
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

/// The U-Net is too much for one submit until the GPU's pace is known; before
/// and after that, its result is the same to the last bit.
fn split_submits(_gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let model = Model::starter();
    let options = PhaseOptions::new([20, 20]);
    let graphs = phases::build(model.settings(), &options)?;
    let prepared = subject
        .target()
        .prepare(&graphs, &PrepareOptions::default())?;
    let predict = prepared.program().phase(names::PREDICT);
    if predict.ok_or("no phase to predict")?.flops() < 1_200_000_000 {
        return Err("too little work to be split".into());
    }
    let backend = subject.backend(Arc::new(model));
    let mut executor = backend.load_prepared(prepared)?;
    let record = StepRecord {
        clip: 1.0,
        x0_from_x: 1.5,
        x0_from_eps: 1.0,
        from_x: 0.5,
        from_x0: 0.5,
        ..StepRecord::default()
    };
    executor.set_records(&[record])?;
    let fill = |executor: &mut dyn Executor, name: &str| -> Result<(), ExecError> {
        let count = executor.read(name)?.len();
        let wave = |i: usize| ((i * 37 % 101) as f32 / 50.0) - 1.0;
        executor.write(name, &(0..count).map(wave).collect::<Vec<f32>>())
    };
    let mut results: Vec<Vec<f32>> = Vec::new();
    for _ in 0..3 {
        for name in [names::X, names::X0_PREVIOUS, names::CONDITIONING] {
            fill(executor.as_mut(), name)?;
        }
        for phase in [names::PREDICT, names::UPDATE].repeat(2) {
            executor.run(phase, 0)?;
        }
        executor.wait(1)?;
        results.push(executor.read(names::X)?);
    }
    let finite = results[0].iter().all(|v| v.is_finite());
    let varied = results[0].iter().any(|&v| v != results[0][0]);
    let same = results.iter().all(|result| *result == results[0]);
    match (finite && varied, same) {
        (true, true) => Ok(()),
        (false, _) => Err("no result to compare".into()),
        (_, false) => Err("another result".into()),
    }
}

/// Convolutions of all kinds in dispatches of a row of workgroups each: no bit
/// of any array may differ, and the time is that of the whole.
pub fn split_dispatches(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let mut kinds = HashSet::new();
    let convolutions = crate::cases::all().into_iter().filter(|case| {
        let node = &case.graph.nodes[0];
        let height = |value| case.graph.value(value).shape.h;
        // More rows than a workgroup covers.
        let (kind, has_parts) = match &node.op {
            Op::Conv2d(op) => ((op.kernel, op.stride), height(node.outputs[0]) > 64),
            Op::ConvTranspose2d(op) => ((2 * op.stride, 0), height(node.inputs[0]) > 32),
            _ => return false,
        };
        case.graph.nodes.len() == 1 && has_parts && kinds.insert(kind)
    });
    for case in convolutions.collect::<Vec<_>>() {
        let (_, whole) = Trial::run(&case, subject)?;
        let (trial, program) = Trial::plan(&case, subject.kernels())?;
        let mut executor = open(gpu, &case, program.clone(), 1)?;
        let lowered = srdiff::exec::gpu::lower(&program, 1)?;
        let phase = lowered.phases.iter().find(|phase| phase.name != PACK);
        if phase.ok_or("no phase but packing")?.commands.len() < 2 {
            return Err(format!("{} is not split", case.name).into());
        }
        let parts = trial.drive(&mut executor)?;
        if parts.arrays != whole.arrays || parts.arrays.is_empty() {
            return Err(format!("{}: another result in parts", case.name).into());
        }
        if let Some(times) = executor.profile(&case.graph.name, case.step)? {
            let kernels: HashSet<&str> = times.iter().map(|time| time.kernel.as_str()).collect();
            if times.is_empty() || kernels.len() != times.len() {
                return Err(format!("{}: {times:?}", case.name).into());
            }
        }
    }
    match kinds.len() {
        4.. => Ok(()),
        few => Err(format!("only {few} kinds of convolutions tried").into()),
    }
}

fn every_dispatch_is_timed(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let case = crate::cases::all().into_iter().find(|case| {
        let node = &case.graph.nodes[0];
        matches!(node.op, Op::GroupNorm(_)) && !case.fills.contains_key("table")
    });
    let case = case.ok_or("no case of two dispatches")?;
    let mut executor = open_planned(gpu, &case, subject)?;
    let Some(times) = executor.profile(&case.graph.name, 0)? else {
        return match gpu.summary().timestamps {
            true => Err("no times".into()),
            false => Ok(()),
        };
    };
    let kernels: Vec<&str> = times.iter().map(|time| time.kernel.as_str()).collect();
    let expected = ["group_norm/statistics_of_group", "group_norm/normalize"];
    match kernels == expected && times.iter().any(|time| !time.time.is_zero()) {
        true => Ok(()),
        false => Err(format!("{times:?}").into()),
    }
}

/// Between a calculator's and a supercomputer's.
fn peak(gpu: &Arc<Gpu>, _subject: &Subject) -> Result<(), Failed> {
    let peak = crate::gpu_peak::measure(gpu, Precision::F16)?;
    let sane = |rate: f64| (1e7..1e16).contains(&rate);
    match sane(peak.flops) && sane(peak.bytes) {
        true => Ok(()),
        false => Err(format!("{peak:?}").into()),
    }
}

/// Another device of the same adapter is given up under an executor's hands.
fn lost_device(gpu: &Arc<Gpu>, subject: &Subject) -> Result<(), Failed> {
    let lost = Arc::new(Gpu::open(
        gpu.summary().index,
        GpuOptions { checked: false },
    )?);
    let case = copy(Shape::new(1, 5, 3, 7));
    let phase = case.graph.name.as_str();
    let mut executor = open_planned(&lost, &case, subject)?;
    executor.run(phase, 0)?;
    executor.read("y")?;
    lost.destroy();
    let program = planned(&case, subject)?;
    let results = [
        executor.run(phase, 0).and_then(|()| executor.wait(0)),
        executor.read("y").map(drop),
        executor.write("x", &[0.0; 105]),
        executor.set_records(&[StepRecord::default()]),
        open(&lost, &case, program, MAX_DISPATCH_FLOPS).map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Err(ExecError::Device { reason, .. }) if reason.contains("lost") => {}
            other => return Err(format!("{index}: {other:?}").into()),
        }
    }
    still_works(subject)
}
