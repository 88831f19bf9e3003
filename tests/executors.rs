//! The extremes of numbers (Mish on the CPU, the range of f16 on GPUs), and what
//! executors refuse.

#[path = "support/mod.rs"]
mod support;

use srdiff::exec::cpu::CpuBackend;
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{
    Backend, ExecError, Executor, PrepareError, PrepareOptions, StepRecord, Target,
};
use srdiff::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape};
use srdiff::ops::{Activation, Linear, Op, Pointwise, UpsampleBicubic, UpsampleNearest};
use srdiff::plan::Precision;
use std::borrow::Cow;
use std::sync::Arc;

struct Ones;

impl Parameters for Ones {
    fn parameter(&self, _: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Ok(vec![1.0; shape.elements()].into())
    }
}

fn load(graph: Graph) -> impl Executor {
    let options = PrepareOptions {
        fuse: false,
        trainable: false,
    };
    let prepared = Target::Cpu {
        threads: 2,
        precision: Precision::F32,
    }
    .prepare(&[graph], &options);
    let program = prepared.expect("a good graph").program().clone();
    CpuBackend::new(Precision::F32, Arc::new(Ones))
        .load(program)
        .unwrap()
}

#[test]
fn mish_of_extremes_is_finite() {
    let x = [1e4, f32::MAX, -1e4, f32::MIN, 0.0, f32::NAN];
    let shape = Shape::new(1, x.len(), 1, 1);
    let mut b = GraphBuilder::new("phase");
    let input = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let output = b.value("y", shape, Role::Output, Element::F32).unwrap();
    let mish = Op::Pointwise(Pointwise::activation(Activation::Mish));
    b.push_into(&[output], mish, &[input]).unwrap();
    let mut executor = load(b.build());
    executor.write("x", &x).unwrap();
    executor.run("phase", 0).unwrap();
    let y = executor.read("y").unwrap();
    assert_eq!(y[..5], [1e4, f32::MAX, 0.0, 0.0, 0.0]);
    assert!(y[5].is_nan());
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
    for adapter in support::adapters().iter().filter(|adapter| adapter.f16) {
        let gpu = Gpu::open(adapter.index, GpuOptions { checked: true });
        let gpu = Arc::new(gpu.expect("a working adapter"));
        for op in ops.clone() {
            let mut b = GraphBuilder::new("phase");
            let x_id = b.value("x", shape, Role::Input, Element::F32).unwrap();
            let y_id = b.value("y", shape, Role::Output, Element::Float).unwrap();
            b.push_into(&[y_id], op.clone(), &[x_id]).unwrap();
            let backend = Backend::gpu(gpu.clone(), Precision::F16, Arc::new(Ones));
            let options = PrepareOptions::default();
            let mut executor = backend.load(&[b.build()], &options).unwrap();
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

/// The CPU and all adapters, without checks of indices in shaders.
fn backends(parameters: &Arc<dyn Parameters>) -> Vec<Backend> {
    let mut backends = vec![Backend::cpu(Precision::F32, parameters.clone())];
    for adapter in support::adapters() {
        let gpu = Gpu::open(adapter.index, GpuOptions { checked: false });
        let gpu = Arc::new(gpu.expect("a working adapter"));
        backends.push(Backend::gpu(gpu, Precision::F32, parameters.clone()));
    }
    backends
}

#[test]
fn a_row_that_a_table_does_not_have_is_refused() {
    // Two elements of a batch, each with one of three rows.
    let shape = Shape::new(2, 4, 2, 2);
    let mut b = GraphBuilder::new("phase");
    let mut value = |name, shape, role| b.value(name, shape, role, Element::F32).unwrap();
    let x = value("x", shape, Role::Input);
    let table = value("table", Shape::matrix(3, 4), Role::Input);
    let y = value("y", shape, Role::Output);
    b.push_into(&[y], Op::Pointwise(Pointwise::add_table_row()), &[x, table])
        .unwrap();
    let graph = b.build();
    for backend in backends(&(Arc::new(Ones) as Arc<dyn Parameters>)) {
        let options = PrepareOptions::default();
        let mut executor = backend
            .load(std::slice::from_ref(&graph), &options)
            .unwrap();
        executor.write("x", &[0.0; 32]).unwrap();
        executor
            .write("table", &[[7.0; 4], [8.0; 4], [9.0; 4]].concat())
            .unwrap();
        let mut record = StepRecord::default().at_timestep(2);
        record.places[1].table_row = 1;
        // Of no element: it may be anything.
        record.places[2].table_row = 1 << 28;
        executor.set_records(&[record]).unwrap();
        for row in [3, 1 << 28, u32::MAX] {
            let mut wrong = record;
            wrong.places[1].table_row = row;
            let error = executor.set_records(&[record, wrong]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("of a table of 3"), "{error}");
        }
        executor.run("phase", 0).unwrap();
        assert_eq!(executor.read("y").unwrap(), [[9.0; 16], [8.0; 16]].concat());
    }
}

#[test]
fn a_tensor_of_another_size_is_refused() {
    struct Short;
    impl Parameters for Short {
        fn parameter(&self, _: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
            Ok(vec![1.0].into())
        }
    }
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", Shape::new(1, 8, 1, 1), Role::Input, Element::F32);
    let y = b.value("y", Shape::new(1, 5, 1, 1), Role::Output, Element::F32);
    let weight = b.parameter("w", Shape::matrix(5, 8)).unwrap();
    let bias = b.parameter("b", Shape::vector(5)).unwrap();
    let operands = [x.unwrap(), weight, bias];
    b.push_into(&[y.unwrap()], Op::Linear(Linear {}), &operands)
        .unwrap();
    let graph = b.build();
    for backend in backends(&(Arc::new(Short) as Arc<dyn Parameters>)) {
        match backend.load(std::slice::from_ref(&graph), &PrepareOptions::default()) {
            Err(PrepareError::Exec(ExecError::Parameter(error))) => {
                assert!(error.reason.contains("has 1 elements"), "{error}");
            }
            Err(error) => panic!("another error: {error}"),
            Ok(_) => panic!("was accepted"),
        }
    }
}
