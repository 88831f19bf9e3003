//! Programs that a planner made, with some of their numbers changed: they are
//! refused, or run without touching memory that is not theirs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use srdiff::exec::cpu::{CpuBackend, CpuChooser};
use srdiff::exec::{Executor, Target};
use srdiff::graph::{
    Differentiation, Element, Gradients, Graph, GraphBuilder, ParameterError, Parameters, Role,
    Shape, differentiate,
};
use srdiff::ops::{
    Activation, Conv2d, ConvTranspose2d, Epilogue, GroupNorm, Linear, LinearAttention, Noise,
    NoiseSource, Op, Padding, Pointwise, SamplerUpdate, UpsampleBicubic, UpsampleNearest,
};
use srdiff::plan::{PACK, Precision, Program, Variant};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// What an accepted program may take, so that one runs in a millisecond.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FLOPS: u64 = 1 << 24;

struct Ones;

impl Parameters for Ones {
    fn parameter(&self, _: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Ok(vec![1.0; shape.elements()].into())
    }
}

const SHAPE: Shape = Shape::new(1, 12, 3, 2);

/// A graph of an input, one operation and what it needs.
fn graph(op: Op, parameters: &[Shape]) -> Graph {
    let mut b = GraphBuilder::new("phase");
    let mut value = |name: &str, role| b.value(name, SHAPE, role, Element::F32).unwrap();
    let mut inputs = vec![value("x", Role::Input)];
    for (index, &shape) in parameters.iter().enumerate() {
        inputs.push(b.parameter(&format!("p{index}"), shape).unwrap());
    }
    let y = b.push("y", op, &inputs).unwrap();
    // What nobody reads would not be worked out.
    let into = b.value("result", b.shape(y), Role::Output, Element::F32);
    let copy = Op::Pointwise(Pointwise::copy());
    b.push_into(&[into.unwrap()], copy, &[y]).unwrap();
    b.build()
}

fn graphs() -> Vec<Graph> {
    let mish = || Op::Pointwise(Pointwise::activation(Activation::Mish));
    let conv = |kernel, stride| {
        Op::Conv2d(Conv2d {
            kernel,
            stride,
            padding: Padding::Reflect,
            bias: true,
            backward: false,
            epilogue: Epilogue::none(),
        })
    };
    let (weight, vector) = (Shape::new(8, 12, 3, 3), Shape::vector(8));
    let norm = Op::GroupNorm(GroupNorm {
        groups: 4,
        epsilon: 1e-5,
        epilogue: Epilogue::none(),
    });
    let twelve = Shape::vector(12);
    let transposed = Op::ConvTranspose2d(ConvTranspose2d { stride: 2 });
    let nearest = Op::UpsampleNearest(UpsampleNearest { factor: 2 });
    let attention = Op::LinearAttention(LinearAttention {
        heads: 1,
        head_channels: 4,
    });
    vec![
        graph(mish(), &[]),
        graph(conv(3, 1), &[weight, vector]),
        graph(conv(3, 2), &[weight, vector]),
        graph(conv(1, 1), &[Shape::new(8, 12, 1, 1), vector]),
        graph(norm.clone(), &[twelve, twelve]),
        graph(transposed.clone(), &[Shape::new(12, 8, 4, 4), vector]),
        graph(nearest.clone(), &[]),
        graph(Op::UpsampleBicubic(UpsampleBicubic { factor: 2 }), &[]),
        graph(attention.clone(), &[]),
        linear(),
        noise(),
        update(),
        gradients(mish(), &[]),
        gradients(conv(3, 1), &[weight, vector]),
        gradients(conv(3, 2), &[weight, vector]),
        gradients(norm, &[twelve, twelve]),
        gradients(transposed, &[Shape::new(12, 8, 4, 4), vector]),
        gradients(nearest, &[]),
        gradients(attention, &[]),
    ]
}

/// A convolution and an operation after it, with the gradients of all that has
/// parameters.
fn gradients(op: Op, parameters: &[Shape]) -> Graph {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", SHAPE, Role::Input, Element::F32).unwrap();
    let weight = b.parameter("w", Shape::new(12, 12, 1, 1)).unwrap();
    let bias = b.parameter("b", Shape::vector(12)).unwrap();
    let first = Op::Conv2d(Conv2d {
        kernel: 1,
        stride: 1,
        padding: Padding::Zero,
        bias: true,
        backward: false,
        epilogue: Epilogue::none(),
    });
    let mut inputs = vec![b.push("first", first, &[x, weight, bias]).unwrap()];
    for (index, &shape) in parameters.iter().enumerate() {
        inputs.push(b.parameter(&format!("p{index}"), shape).unwrap());
    }
    let y = b.push("y", op, &inputs).unwrap();
    let dy = b
        .value("dy", b.shape(y), Role::Input, Element::F32)
        .unwrap();
    let options = Differentiation {
        gradients: Gradients::New,
        segments: 1,
    };
    differentiate(&mut b, &[(y, dy)], &|_| true, options).unwrap();
    b.build()
}

fn linear() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", Shape::new(3, 8, 1, 1), Role::Input, Element::F32);
    let weight = b.parameter("w", Shape::matrix(5, 8)).unwrap();
    let bias = b.parameter("b", Shape::vector(5)).unwrap();
    let y = b.push("y", Op::Linear(Linear {}), &[x.unwrap(), weight, bias]);
    let y = y.unwrap();
    let into = b.value("result", b.shape(y), Role::Output, Element::F32);
    b.push_into(&[into.unwrap()], Op::Pointwise(Pointwise::copy()), &[y])
        .unwrap();
    b.build()
}

fn noise() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(2, 3, 3, 5);
    let into = b.value("result", shape, Role::Output, Element::F32);
    b.push_into(&[into.unwrap()], Op::Noise(Noise { shape }), &[])
        .unwrap();
    b.build()
}

fn update() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 3, 3, 5);
    let mut value = |name: &str, role| b.value(name, shape, role, Element::F32).unwrap();
    let (x, x0) = (value("x", Role::State), value("x0", Role::Input));
    let before = value("before", Role::State);
    let op = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Generated,
    });
    b.push_into(&[x, before], op, &[x, x0, before]).unwrap();
    b.build()
}

static PROGRAMS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let program = |graph: &Graph, convolution, precision| {
        let target = Target::Cpu {
            threads: 1,
            precision,
        };
        let kernels = CpuChooser {
            conv2d: convolution,
            ..CpuChooser::new(1, precision)
        };
        // With gradients come parameters that can be written.
        let trainable = graph.find("dy").is_some();
        let prepared = target.prepare_with(std::slice::from_ref(graph), &kernels, trainable);
        let program = prepared.expect("a good graph");
        serde_json::to_value(program.program()).expect("plain data")
    };
    let graphs = graphs();
    let mut programs = Vec::new();
    // In bf16, values are converted for the kernels that have f32 alone.
    for precision in [Precision::F32, Precision::Bf16] {
        let usual = graphs.iter().map(|graph| program(graph, None, precision));
        programs.extend(usual);
        programs.push(program(&graphs[1], Some(Variant::Winograd), precision));
    }
    programs
});

/// Collects every number of a program and its lists that can grow.
fn numbers<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Number(_) => found.push(value),
        Value::Array(items) => items.iter_mut().for_each(|item| numbers(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|item| numbers(item, found)),
        _ => {}
    }
}

fn changed(old: u64, how: u8, amount: u8) -> u64 {
    match how % 8 {
        0 => u64::from(amount),
        1 => old.wrapping_add(u64::from(amount)),
        2 => old.wrapping_sub(u64::from(amount)),
        3 => 1 << (amount % 64),
        4 => old.wrapping_add(1 << (amount % 64)),
        5 => u64::MAX >> (amount % 64),
        6 => old.wrapping_mul(u64::from(amount)),
        _ => old / u64::from(amount).max(1),
    }
}

fuzz_target!(|data: &[u8]| {
    let [which, edits @ ..] = data else { return };
    let mut json = PROGRAMS[usize::from(*which) % PROGRAMS.len()].clone();
    let mut found = Vec::new();
    numbers(&mut json, &mut found);
    for edit in edits.chunks_exact(4).take(8) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % found.len();
        if let Some(old) = found[at].as_u64() {
            *found[at] = changed(old, edit[2], edit[3]).into();
        }
    }
    let Ok(program) = serde_json::from_value::<Program>(json) else {
        return;
    };
    if program.check().is_err() {
        return;
    }
    let bytes: u64 = program.slots.iter().map(|slot| slot.bytes).sum();
    let flops = |phase: &srdiff::plan::Phase| phase.flops();
    if bytes > MAX_BYTES || program.phases.iter().map(flops).any(|f| f > MAX_FLOPS) {
        return;
    }
    let names: Vec<String> = program.phases.iter().map(|p| p.name.clone()).collect();
    let precision = program.precision;
    let Ok(mut executor) = CpuBackend::new(precision, Arc::new(Ones)).load(program) else {
        return;
    };
    for name in ["x", "x0", "before", "dy"] {
        if let Some(shape) = executor.shape(name) {
            executor.write(name, &vec![0.5; shape.elements()]).unwrap();
        }
    }
    for name in &names {
        // Weights that cannot change are packed once.
        let ran = executor.run(name, 0);
        assert!(ran.is_ok() || name == PACK, "{ran:?}");
    }
    for name in ["result", "x"] {
        if executor.shape(name).is_some() {
            executor.read(name).unwrap();
        }
    }
});
