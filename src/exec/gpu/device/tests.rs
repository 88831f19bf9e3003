//! Faults of devices, injected.

use super::{Gpu, GpuBackend, GpuOptions};
use crate::exec::gpu::test_adapters;
use crate::exec::{Backend, ExecError, Executor, PrepareError, PrepareOptions, StepRecord, Target};
use crate::graph::{Element, GraphBuilder, ParameterError, Parameters, Role, Shape};
use crate::model::{Model, PhaseOptions, names, phases};
use crate::ops::{Op, Pointwise};
use crate::plan::Precision;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

struct NoParameters;

impl Parameters for NoParameters {
    fn parameter(&self, name: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        unreachable!("{name}")
    }
}

/// Every adapter, opened for one test alone.
fn gpus() -> Vec<Gpu> {
    let open = |index| Gpu::open(index, GpuOptions { checked: true }).expect("a working adapter");
    (0..test_adapters().len()).map(open).collect()
}

/// A program that copies `x` to `y`.
fn load_copy(gpu: &Arc<Gpu>, shape: Shape) -> Result<Box<dyn Executor>, PrepareError> {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let y = b.value("y", shape, Role::Output, Element::F32).unwrap();
    b.push_into(&[y], Op::Pointwise(Pointwise::copy()), &[x])
        .unwrap();
    let backend = Backend::gpu(gpu.clone(), Precision::F32, Arc::new(NoParameters));
    backend.load(&[b.build()], &PrepareOptions::default())
}

#[test]
fn work_that_was_reported_but_not_done_is_noticed() {
    // The largest is read in several pieces.
    for shape in [Shape::new(1, 5, 3, 7), Shape::new(1, 16, 600, 600)] {
        for gpu in gpus() {
            let gpu = Arc::new(gpu);
            let mut executor = load_copy(&gpu, shape).unwrap();
            let ones = vec![1.0; shape.elements()];
            executor.write("x", &ones).unwrap();
            for _ in 0..3 {
                executor.run("phase", 0).unwrap();
                assert!(executor.read("y").unwrap() == ones);
            }
            gpu.work.drops.store(true, Ordering::Relaxed);
            executor.run("phase", 0).unwrap();
            let error = executor.read("y").unwrap_err().to_string();
            let expected = "failed: the driver reported work as done that was not";
            assert!(error.ends_with(expected), "{error}");
            // Nothing of it is believed any more.
            executor.read("y").unwrap_err();
            executor.run("phase", 0).unwrap_err();
        }
    }
}

/// Short runs that are asked for together share a submit. Where that would have
/// too much, they are divided, even in the middle of a run; the result is the same.
#[test]
fn runs_are_put_together_and_divided() {
    let model = Arc::new(Model::starter());
    let side = model.settings().padded_lr_side(1);
    let options = PhaseOptions::new([side, side]);
    let graphs = phases::build(model.settings(), &options).unwrap();
    for gpu in gpus() {
        let gpu = Arc::new(gpu);
        let target = Target::gpu(gpu.summary(), Precision::F32);
        let prepared = target.prepare(&graphs, &PrepareOptions::default()).unwrap();
        let lowered = prepared.lowered().unwrap().clone();
        let backend = GpuBackend::new(gpu.clone(), Precision::F32, model.clone());
        // SAFETY: lowered here.
        let mut executor = unsafe { backend.load(lowered) }.unwrap();
        executor.set_records(&[StepRecord::default(); 3]).unwrap();
        for phase in [names::MODEL, names::IMAGE, names::CONDITION] {
            executor.run(phase, 0).unwrap();
        }
        let runs: Vec<(&str, usize)> = (1..3)
            .flat_map(|record| [(names::PREDICT, record), (names::UPDATE, record)])
            .collect();
        let mut sample = |together: bool| {
            executor.run(names::START, 0).unwrap();
            let before = executor.spent().submits;
            match together {
                true => executor.run_all(&runs).unwrap(),
                false => runs.iter().for_each(|r| executor.run(r.0, r.1).unwrap()),
            }
            let submits = executor.spent().submits - before;
            // Each run is counted, wherever it ended.
            for pending in (0..runs.len()).rev() {
                executor.wait(pending).unwrap();
            }
            executor.run(names::FINISH, 0).unwrap();
            (submits, executor.read(names::SR).unwrap())
        };
        let (alone, expected) = sample(false);
        assert_eq!(alone, runs.len() as u64);
        assert_eq!(sample(true), (1, expected.clone()));
        gpu.work.most.store(1, Ordering::Relaxed);
        let (divided, result) = sample(true);
        assert!(divided > 2 * alone, "{divided}");
        assert!(result == expected);
    }
}

/// Much work and no patience: as a hung driver looks with all the patience.
#[test]
fn a_wait_has_an_end() {
    let shape = Shape::new(1, 16, 1024, 1024);
    for mut gpu in gpus() {
        gpu.work.limit = Duration::from_nanos(1);
        let gpu = Arc::new(gpu);
        let run = || -> Result<(), PrepareError> {
            // Loading waits, too.
            let mut executor = load_copy(&gpu, shape)?;
            for _ in 0..20 {
                executor.run("phase", 0)?;
            }
            Ok(executor.wait(0)?)
        };
        check_timeout(&run().unwrap_err().to_string());
    }
}

/// `cargo test --release --lib -- --ignored --nocapture time_of_the_work_counter`
/// prints the time of a step of the starter model at 16x16 (so short that anything
/// added to it shows), with and without what counts work.
#[test]
#[ignore = "measures, and proves nothing"]
fn time_of_the_work_counter() {
    const ROUNDS: usize = 21;
    let model = Arc::new(Model::starter());
    let options = PhaseOptions::new([16, 16]);
    let graphs = phases::build(model.settings(), &options).unwrap();
    for index in 0..test_adapters().len() {
        let gpu = Arc::new(Gpu::open(index, GpuOptions { checked: false }).unwrap());
        let backend = Backend::gpu(gpu.clone(), Precision::F32, model.clone());
        let mut executor = backend.load(&graphs, &PrepareOptions::default()).unwrap();
        for phase in [names::MODEL, names::IMAGE, names::CONDITION, names::START] {
            executor.run(phase, 0).unwrap();
        }
        let mut step = |is_idle| {
            gpu.work.is_idle.store(is_idle, Ordering::Relaxed);
            let start = Instant::now();
            executor.run(names::PREDICT, 0).unwrap();
            executor.run(names::UPDATE, 0).unwrap();
            executor.wait(0).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        };
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS + 5 {
            // Which comes first changes, for the second finds warm caches.
            for is_idle in [round % 2 == 0, round % 2 == 1] {
                let time = step(is_idle);
                if round >= 5 {
                    times[usize::from(is_idle)].push(time);
                }
            }
        }
        let [counted, plain] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            [times[ROUNDS / 2], times[0]]
        });
        for (which, [counted, plain]) in ["median", "fastest"]
            .iter()
            .zip([[counted[0], plain[0]], [counted[1], plain[1]]])
        {
            println!(
                "{}: {counted:.2} ms with the counter, {plain:.2} ms without: {:.3} times ({which} of {ROUNDS})",
                gpu.summary().name,
                counted / plain
            );
        }
    }
}

fn check_timeout(error: &str) {
    assert!(
        error.contains("failed: it did not finish its work within"),
        "{error}"
    );
}

/// Every buffer that loading makes is refused once. What is loaded after that
/// works, and so does what was loaded before more records were refused.
#[test]
fn no_memory_for_any_buffer_is_an_error_and_no_more() {
    let shape = Shape::new(1, 5, 3, 7);
    for gpu in gpus() {
        let gpu = Arc::new(gpu);
        let mut failures = 0;
        let mut executor = loop {
            let asked = Arc::new(AtomicUsize::new(0));
            let counted = asked.clone();
            gpu.refusal
                .set(move |_| counted.fetch_add(1, Ordering::Relaxed) == failures);
            match load_copy(&gpu, shape) {
                Ok(executor) => break executor,
                Err(PrepareError::Exec(ExecError::OutOfMemory { .. })) => failures += 1,
                Err(error) => panic!("{failures}: {error}"),
            }
            // Nothing more is asked for then: others may need it.
            assert_eq!(asked.load(Ordering::Relaxed), failures);
        };
        // Two arrays, uniforms, records, staging, and what uploads pass through.
        assert_eq!(failures, 6);
        gpu.refusal.set(|_| true);
        let records = [StepRecord::default(); 1000];
        let error = executor.set_records(&records).unwrap_err();
        assert!(matches!(error, ExecError::OutOfMemory { .. }), "{error}");
        gpu.refusal.clear();
        let ones = vec![1.0; shape.elements()];
        executor.write("x", &ones).unwrap();
        executor.run("phase", 0).unwrap();
        assert_eq!(executor.read("y").unwrap(), ones);
        executor.set_records(&records).unwrap();
        executor.run("phase", 999).unwrap();
    }
}
