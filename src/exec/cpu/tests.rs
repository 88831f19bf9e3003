//! Tiny programs through views, scratch memory and states.

use super::memory::Memory;
use super::{CpuBackend, refusal};
use crate::exec::{ExecError, Executor, PrepareOptions, Target};
use crate::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape};
use crate::ops::{
    Activation, Conv2d, ConvTranspose2d, Epilogue, GroupNorm, Noise, NoiseSource, Op, Padding,
    Pointwise, SamplerUpdate, UpsampleNearest,
};
use crate::plan::{Precision, Program};
use std::borrow::Cow;
use std::sync::Arc;

struct Ones;

impl Parameters for Ones {
    fn parameter(&self, _: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Ok(vec![1.0; shape.elements()].into())
    }
}

fn program(graph: Graph) -> Program {
    let options = PrepareOptions {
        fuse: false,
        trainable: false,
    };
    let prepared = Target::Cpu {
        threads: 2,
        precision: Precision::F32,
    }
    .prepare(&[graph], &options);
    prepared.expect("a good graph").program().clone()
}

fn load(graph: Graph) -> impl Executor {
    CpuBackend::new(Precision::F32, Arc::new(Ones))
        .load(program(graph))
        .unwrap()
}

fn copy() -> Op {
    Op::Pointwise(Pointwise::copy())
}

/// Two groups of one array, written apart and read as one.
#[test]
fn groups_of_an_array_keep_to_their_channels() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(2, 3, 3, 2);
    let x = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let whole = shape.with_channels(8);
    let array = b.concat("array", whole, Role::Output, &[3, 5]).unwrap();
    let left = b.segments("left", array, 0, 1).unwrap();
    let right = b.segments("right", array, 1, 1).unwrap();
    b.push_into(&[left], copy(), &[x]).unwrap();
    let shape = shape.with_channels(5);
    b.push_into(&[right], Op::Noise(Noise { shape }), &[])
        .unwrap();
    let mut executor = load(b.build());
    let ones = vec![1.0; 36];
    executor.write("x", &ones).unwrap();
    executor.run("phase", 0).unwrap();
    let y = executor.read("array").unwrap();
    for (channel, plane) in y.chunks_exact(6).enumerate() {
        let is_copied = plane.iter().all(|&v| v == 1.0);
        assert_eq!(is_copied, channel % 8 < 3, "{channel}: {plane:?}");
    }
}

/// Scratch of threads, an enlargement, and weights: from `x` to `y`.
fn block() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 4, 2, 3);
    let x = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let weight = b.parameter("w", Shape::vector(4)).unwrap();
    let norm = Op::GroupNorm(GroupNorm {
        groups: 2,
        epsilon: 1e-5,
        epilogue: Epilogue::none(),
    });
    let normed = b.push("normed", norm, &[x, weight, weight]).unwrap();
    let mish = Op::Pointwise(Pointwise::activation(Activation::Mish));
    let active = b.push("active", mish, &[normed]).unwrap();
    let large = Op::UpsampleNearest(UpsampleNearest { factor: 2 });
    let large = b.push("large", large, &[active]).unwrap();
    let result = b.shape(large);
    let result = b.value("y", result, Role::Output, Element::F32).unwrap();
    b.push_into(&[result], copy(), &[large]).unwrap();
    b.build()
}

#[test]
fn kernels_with_scratch_and_weights_stay_inside() {
    check_block(load(block()));
}

fn check_block(mut executor: impl Executor) {
    executor.write("x", &[2.0; 24]).unwrap();
    executor.run("phase", 0).unwrap();
    let y = executor.read("y").unwrap();
    // The norm of a constant is its bias, 1.
    let mish = 1.0 * f64::tanh(f64::ln(1.0 + f64::exp(1.0)));
    assert_eq!(y.len(), 96);
    for y in y {
        assert!((f64::from(y) - mish).abs() < 1e-5, "{y}, not {mish}");
    }
}

/// Matrix products over tiles of an image, into a group of an array: a convolution
/// whose padding is the image's reflection, and one that doubles the size.
#[test]
fn convolutions_stay_inside() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 3, 4, 5);
    let x = b.value("x", shape, Role::Input, Element::F32).unwrap();
    let conv = |b: &mut GraphBuilder, name: &str, weight, op| {
        let weight = b.parameter(&format!("{name}.weight"), weight).unwrap();
        let bias = b
            .parameter(&format!("{name}.bias"), Shape::vector(2))
            .unwrap();
        let y = b.push(name, op, &[x, weight, bias]).unwrap();
        let result = format!("{name}.result");
        let shape = b.shape(y);
        let result = b.value(&result, shape, Role::Output, Element::F32);
        b.push_into(&[result.unwrap()], copy(), &[y]).unwrap();
    };
    let reflected = Op::Conv2d(Conv2d::new(3, Padding::Reflect));
    conv(&mut b, "same", Shape::new(2, 3, 3, 3), reflected);
    let doubled = Op::ConvTranspose2d(ConvTranspose2d { stride: 2 });
    conv(&mut b, "double", Shape::new(3, 2, 4, 4), doubled);
    let mut executor = load(b.build());
    executor.write("x", &[2.0; 60]).unwrap();
    executor.run("phase", 0).unwrap();
    // All weights and the bias are 1: each pixel sums what its kernel covers.
    let same = executor.read("same.result").unwrap();
    assert_eq!(same, [1.0 + 2.0 * 27.0; 40]);
    let double = executor.read("double.result").unwrap();
    assert_eq!(double.len(), 160);
    for (at, y) in double.iter().enumerate() {
        let (row, column) = (at / 10 % 8, at % 10);
        let covered = |place: usize, last: usize| match place == 0 || place == last {
            true => 1.0,
            false => 2.0,
        };
        let pixels = covered(row, 7) * covered(column, 9);
        assert_eq!(*y, 1.0 + 2.0 * 3.0 * pixels, "{row}, {column}");
    }
}

/// Winograd's algorithm, which takes channels by the vector: one beyond a vector,
/// and tiles that reach beyond the image.
#[test]
fn convolutions_of_many_channels_stay_inside() {
    let mut b = GraphBuilder::new("phase");
    let (x, y) = (Shape::new(1, 16, 5, 3), Shape::new(1, 17, 5, 3));
    let x = b.value("x", x, Role::Input, Element::F32).unwrap();
    let weight = b.parameter("weight", Shape::new(17, 16, 3, 3)).unwrap();
    let bias = b.parameter("bias", Shape::vector(17)).unwrap();
    let y = b.value("y", y, Role::Output, Element::F32).unwrap();
    let conv = Op::Conv2d(Conv2d::new(3, Padding::Zero));
    b.push_into(&[y], conv, &[x, weight, bias]).unwrap();
    let mut executor = load(b.build());
    executor.write("x", &[2.0; 16 * 15]).unwrap();
    executor.run("phase", 0).unwrap();
    for (at, y) in executor.read("y").unwrap().into_iter().enumerate() {
        let (row, column) = (at / 3 % 5, at % 3);
        let covered = |place: usize, last: usize| match place == 0 || place == last {
            true => 2.0,
            false => 3.0,
        };
        let expected = 1.0 + 2.0 * 16.0 * covered(row, 4) * covered(column, 2);
        let error = (y - expected).abs();
        assert!(error < 1e-3, "{y} at {row}, {column}, not {expected}");
    }
}

/// States that are updated in place.
#[test]
fn a_state_is_updated_in_place() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 3, 3, 2);
    let mut value = |name: &str, role| b.value(name, shape, role, Element::F32).unwrap();
    let (x, x0) = (value("x", Role::State), value("x0", Role::Input));
    let before = value("before", Role::State);
    let op = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Generated,
    });
    b.push_into(&[x, before], op, &[x, x0, before]).unwrap();
    let mut executor = load(b.build());
    executor.write("x0", &[0.5; 18]).unwrap();
    executor.run("phase", 0).unwrap();
    assert_eq!(executor.read("before").unwrap(), [0.5; 18]);
}

/// Every slot of a program is refused once; the backend stays as good as new.
#[test]
fn no_memory_for_any_slot_is_an_error_and_no_more() {
    let backend = CpuBackend::new(Precision::F32, Arc::new(Ones));
    let program = program(block());
    let mut failures = 0;
    let executor = loop {
        let mut left = failures;
        refusal::set(move |_| {
            left -= 1;
            left == -1
        });
        match backend.load(program.clone()) {
            Ok(executor) => break executor,
            Err(ExecError::OutOfMemory { .. }) => failures += 1,
            Err(error) => panic!("{failures}: {error}"),
        }
    };
    refusal::clear();
    assert_eq!(failures, program.slots.len() as i32);
    check_block(executor);
}

#[test]
fn slots_of_one_block_are_zeros_apart_in_whole_cache_lines() {
    let slots = Memory::all_zeroed(&[1, 0, 64, 130]).unwrap();
    assert_eq!(slots.iter().map(Memory::len).sum::<usize>(), 64 + 64 + 192);
    for (number, slot) in slots.iter().enumerate() {
        // SAFETY: nothing else touches the slots.
        let bytes = unsafe { slot.bytes_mut() };
        assert_eq!(bytes.as_ptr() as usize % 64, 0);
        assert!(bytes.iter().all(|&byte| byte == 0), "slot {number}");
        bytes.fill(1);
    }
}
