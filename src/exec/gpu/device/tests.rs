//! Faults of devices, injected.

use super::{Gpu, GpuOptions, list_adapters};
use crate::exec::{Backend, Executor, PrepareError, PrepareOptions};
use crate::graph::{Element, GraphBuilder, ParameterError, Parameters, Role, Shape};
use crate::ops::{Op, Pointwise};
use crate::plan::Precision;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

struct NoParameters;

impl Parameters for NoParameters {
    fn parameter(&self, name: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        unreachable!("{name}")
    }
}

/// Every adapter, opened for one test alone.
fn gpus() -> Vec<Gpu> {
    let adapters = list_adapters();
    let required = std::env::var_os("SRDIFF_REQUIRE_GPU").is_some();
    assert!(!required || !adapters.is_empty(), "no adapter");
    let open = |index| Gpu::open(index, GpuOptions { checked: true }).expect("a working adapter");
    (0..adapters.len()).map(open).collect()
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
        let error = run().unwrap_err().to_string();
        let expected = "failed: it did not finish its work within";
        assert!(error.contains(expected), "{error}");
    }
}
