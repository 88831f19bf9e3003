//! Faults of devices, injected.

use super::{Gpu, GpuOptions, list_adapters};
use crate::exec::{Backend, Executor, PrepareError, PrepareOptions};
use crate::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape};
use crate::ops::{Op, Pointwise, UpsampleBicubic, UpsampleNearest};
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

/// From `x` in f32 to `y` in the executor's precision.
fn graph(op: Op, shape: Shape, result: Shape) -> Graph {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let y = b.value("y", result, Role::Output, Element::Float).unwrap();
    b.push_into(&[y], op, &[x]).unwrap();
    b.build()
}

fn copy(shape: Shape) -> Graph {
    graph(Op::Pointwise(Pointwise::copy()), shape, shape)
}

fn load(
    gpu: &Arc<Gpu>,
    graph: Graph,
    precision: Precision,
) -> Result<Box<dyn Executor>, PrepareError> {
    let backend = Backend::gpu(gpu.clone(), precision, Arc::new(NoParameters));
    backend.load(&[graph], &PrepareOptions::default())
}

#[test]
fn work_that_was_reported_but_not_done_is_noticed() {
    // The largest is read in several pieces.
    for shape in [Shape::new(1, 5, 3, 7), Shape::new(1, 16, 600, 600)] {
        for gpu in gpus() {
            let gpu = Arc::new(gpu);
            let mut executor = load(&gpu, copy(shape), Precision::F32).unwrap();
            let ones = vec![1.0; shape.elements()];
            executor.write("x", &ones).unwrap();
            for _ in 0..3 {
                executor.run("phase", 0).unwrap();
                assert!(executor.read("y").unwrap() == ones);
            }
            gpu.work.drops.store(true, Ordering::Relaxed);
            executor.run("phase", 0).unwrap();
            let error = executor.read("y").unwrap_err().to_string();
            assert!(
                error.ends_with("failed: the driver reported work as done that was not"),
                "{error}"
            );
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
        let mut executor = match load(&gpu, copy(shape), Precision::F32) {
            Ok(executor) => executor,
            // Loading waits, too.
            Err(error) => {
                check_timeout(&error.to_string());
                continue;
            }
        };
        let mut run = || {
            for _ in 0..20 {
                executor.run("phase", 0)?;
            }
            executor.wait(0)
        };
        check_timeout(&run().unwrap_err().to_string());
    }
}

fn check_timeout(error: &str) {
    assert!(
        error.contains("failed: it did not finish its work within"),
        "{error}"
    );
}

#[test]
fn what_f16_cannot_hold_is_stored_as_infinity() {
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let values = [
        (65504.0, 65504.0),
        (65519.0, 65504.0),
        (65519.996, 65504.0),
        (65520.0, infinity),
        (65536.0, infinity),
        (1e6, infinity),
        (3e38, infinity),
        (infinity, infinity),
        (nan, nan),
        (0.25, 0.25),
        (0.0, 0.0),
    ];
    let both = values.iter().flat_map(|&(x, y)| [(x, y), (-x, -y)]);
    let (x, expected): (Vec<f32>, Vec<f32>) = both.unzip();
    // One row of many channels: bicubic by 1 and nearest by 1 copy, too.
    let shape = Shape::new(1, x.len(), 1, 1);
    let ops = [
        Op::Pointwise(Pointwise::copy()),
        Op::UpsampleNearest(UpsampleNearest { factor: 1 }),
        Op::UpsampleBicubic(UpsampleBicubic { factor: 1 }),
    ];
    for gpu in gpus().into_iter().filter(|gpu| gpu.summary.f16) {
        let gpu = Arc::new(gpu);
        for op in ops.clone() {
            let graph = graph(op.clone(), shape, shape);
            let mut executor = load(&gpu, graph, Precision::F16).unwrap();
            executor.write("x", &x).unwrap();
            executor.run("phase", 0).unwrap();
            let y = executor.read("y").unwrap();
            for ((x, y), expected) in x.iter().zip(y).zip(&expected) {
                // Bicubic weights beside the pixel are zeros: with an infinity
                // they give NaN, which is as good.
                let is_right = match expected.is_finite() {
                    true => y == *expected,
                    false if matches!(op, Op::UpsampleBicubic(_)) => !y.is_finite(),
                    false => y == *expected || y.is_nan() && expected.is_nan(),
                };
                assert!(is_right, "{op:?}: {y} for {x}, not {expected}");
            }
        }
    }
}
