//! The extremes of numbers: Mish on the CPU, the range of f16 on GPUs.

#[path = "support/mod.rs"]
mod support;

use srdiff::exec::cpu::CpuBackend;
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, Executor, PrepareOptions, Target};
use srdiff::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape};
use srdiff::ops::{Activation, Op, Pointwise, UpsampleBicubic, UpsampleNearest};
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
