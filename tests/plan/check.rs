//! Programs that the planner did not make are refused, by the check and by
//! loading, and nothing panics.

use super::errors::{conv, copy, mish};
use super::models::Setup;
use srdiff::exec::cpu::CpuBackend;
use srdiff::exec::{PrepareOptions, Target};
use srdiff::graph::{Element, Graph, GraphBuilder, ParameterError, Parameters, Role, Shape};
use srdiff::ops::{Epilogue, GroupNorm, NoiseSource, Op, Packing, SamplerUpdate};
use srdiff::plan::{Owner, PACK, PlannedNode, PlannedValue, Precision, Program, Slot};
use std::borrow::Cow;
use std::sync::Arc;

/// Weights of zeros.
struct Zeros;

impl Parameters for Zeros {
    fn parameter(&self, _: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        Ok(vec![0.0; shape.elements()].into())
    }
}

pub const SHAPE: Shape = Shape::new(1, 4, 3, 2);

/// A convolution and a norm: weights, a scratch array, memory of threads. Then
/// a state that is updated in place.
fn graph() -> Graph {
    let mut b = GraphBuilder::new("phase");
    let input =
        |b: &mut GraphBuilder, name: &str, role| b.value(name, SHAPE, role, Element::F32).unwrap();
    let x = input(&mut b, "x", Role::Input);
    let weight = b.parameter("w", Shape::new(4, 4, 3, 3)).unwrap();
    let bias = b.parameter("b", Shape::vector(4)).unwrap();
    let op = conv(3, 1, Epilogue::none());
    let y = b.push("y", op, &[x, weight, bias]).unwrap();
    let norm = Op::GroupNorm(GroupNorm {
        groups: 2,
        epsilon: 1e-5,
        epilogue: Epilogue::none(),
    });
    let normed = b.push("normed", norm, &[y, bias, bias]).unwrap();
    let last = b.push("last", mish(), &[normed]).unwrap();
    let result = input(&mut b, "result", Role::Output);
    b.push_into(&[result], copy(), &[last]).unwrap();
    b.push("more", copy(), &[last]).unwrap();
    let (state, before) = (
        input(&mut b, "state", Role::State),
        input(&mut b, "before", Role::State),
    );
    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Generated,
    });
    b.push_into(&[state, before], update, &[state, x, before])
        .unwrap();
    b.build()
}

pub fn targets() -> [Target; 3] {
    [
        Setup::cpu(2, true).target,
        Setup::gpu(Precision::F32, true).target,
        Setup::gpu(Precision::F16, true).target,
    ]
}

pub fn is_cpu(target: &Target) -> bool {
    matches!(target, Target::Cpu { .. })
}

pub fn prepared(target: &Target) -> Program {
    let options = PrepareOptions {
        fuse: false,
        trainable: false,
    };
    let prepared = target.prepare(&[graph()], &options);
    prepared.expect("as the builder allows").program().clone()
}

/// What is said of a program by the check, by lowering and by the CPU.
pub fn refused(target: &Target, program: &Program) -> Option<String> {
    let checked = program.check().err().map(|error| error.to_string());
    let lowered = target.lower(program.clone()).err();
    let lowered = lowered.map(|error| error.to_string());
    if checked.is_some() {
        assert_eq!(lowered, checked);
    }
    if !is_cpu(target) {
        return lowered;
    }
    let cpu = CpuBackend::new(Precision::F32, Arc::new(Zeros));
    let loaded = cpu.load(program.clone()).err();
    let loaded = loaded.map(|error| error.to_string());
    if checked.is_some() {
        assert_eq!(loaded, checked);
    }
    loaded
}

pub fn value<'a>(program: &'a mut Program, phase: &str, name: &str) -> &'a mut PlannedValue {
    let mut phases = program.phases.iter_mut();
    let phase = phases.find(|known| known.name == phase).expect(phase);
    let mut values = phase.values.iter_mut();
    values
        .find(|value| value.name.starts_with(name))
        .expect(name)
}

pub fn node<'a>(program: &'a mut Program, op: &str) -> &'a mut PlannedNode {
    let nodes = program.phases.iter_mut().flat_map(|phase| &mut phase.nodes);
    let mut nodes = nodes.filter(|node| node.op.name() == op);
    nodes.next().expect(op)
}

fn slot_of(program: &mut Program, phase: &str, name: &str) -> usize {
    value(program, phase, name).slot
}

pub type Change<'a> = &'a dyn Fn(&mut Program);

/// Every change is refused for every target, with a sentence that has `reason`.
pub fn check_refused(cases: &[(&str, Change)]) {
    for target in targets() {
        let whole = prepared(&target);
        assert_eq!(refused(&target, &whole), None);
        for (reason, change) in cases {
            let mut program = whole.clone();
            change(&mut program);
            let message = refused(&target, &program);
            let message = message.unwrap_or_else(|| panic!("{reason}: accepted"));
            assert!(message.contains(reason), "{message} does not say: {reason}");
            assert!(
                message.starts_with("phase '") || *reason == "more memory",
                "{message}"
            );
        }
    }
}

#[test]
fn values_outside_their_slots_are_refused() {
    check_refused(&[
        ("value 'y' is in slot 99, which is not there", &|p| {
            value(p, "phase", "y").slot = 99;
        }),
        ("value 'y' takes", &|p| value(p, "phase", "y").shape.h = 300),
        ("value 'y' has no elements", &|p| {
            value(p, "phase", "y").shape.h = 0;
        }),
        ("bytes of a slot of", &|p| {
            let slot = slot_of(p, "phase", "result");
            p.slots[slot].bytes = 64;
        }),
        ("no multiple of 64", &|p| {
            let slot = slot_of(p, "phase", "result");
            p.slots[slot].bytes += 4;
        }),
        ("has channels 4..", &|p| {
            value(p, "phase", "y").channel_offset = 4
        }),
        ("has channels", &|p| {
            value(p, "phase", "y").channel_offset = usize::MAX - 3;
        }),
        ("is not made of channel groups [1]", &|p| {
            value(p, "phase", "y").segments = vec![1];
        }),
        ("is not made of channel groups", &|p| {
            value(p, "phase", "y").segments = vec![usize::MAX, 5];
        }),
        ("is larger than any memory", &|p| {
            value(p, "phase", "y").shape.h = 1 << 63;
        }),
        ("more memory", &|p| {
            let threads = p.slots.len() - 1;
            p.slots[0].bytes = u64::MAX - 63;
            p.slots[threads].bytes = u64::MAX - 63;
        }),
    ]);
    let blocks = targets().into_iter().filter(|target| !is_cpu(target));
    for target in blocks {
        let mut program = prepared(&target);
        let y = value(&mut program, "phase", "y");
        (y.channel_offset, y.channel_stride) = (2, 8);
        let message = refused(&target, &program).expect("blocks are aligned");
        assert!(message.contains("has channels 2.. of 8"), "{message}");
    }
}

#[test]
fn values_in_slots_of_others_are_refused() {
    check_refused(&[
        ("value 'y' is Temporary, but in the slot of result", &|p| {
            value(p, "phase", "y").slot = slot_of(p, "phase", "result");
        }),
        // Weights are shared by all programs of a model.
        ("value 'y' is Temporary, but in the slot of w as", &|p| {
            value(p, "phase", "y").slot = slot_of(p, "phase", "w as");
        }),
        ("is Packed, but in the slot of temporaries", &|p| {
            value(p, "phase", "w as").slot = slot_of(p, "phase", "y");
        }),
        ("is Packed, but in the slot of b as", &|p| {
            value(p, "phase", "w as").slot = slot_of(p, "phase", "b as");
        }),
        ("is Packed, but in the slot of result", &|p| {
            value(p, "phase", "w as").slot = slot_of(p, "phase", "result");
        }),
        ("but in the slot of temporaries", &|p| {
            value(p, "phase", "result").slot = slot_of(p, "phase", "y");
        }),
        ("but in the slot of w as", &|p| {
            value(p, "phase", "w as").packing = None
        }),
        ("but in the slot of temporaries", &|p| {
            value(p, "phase", "y").packing = Some(Packing::vector(SHAPE, 4));
        }),
        ("is packed as", &|p| {
            let packing = &mut value(p, "phase", "w as").packing;
            packing.as_mut().unwrap().axes[0].size = 0;
        }),
        ("value 'y' is Temporary, but in the slot of threads", &|p| {
            p.slots.push(Slot {
                bytes: 1024,
                owner: Owner::Threads,
            });
            value(p, "phase", "y").slot = p.slots.len() - 1;
        }),
    ]);
}

#[test]
fn nodes_that_break_the_rules_of_their_operation_are_refused() {
    let update = |p: &mut Program| {
        let more = node(p, "sampler_update").inputs[1];
        node(p, "sampler_update").inputs[0] = more;
    };
    check_refused(&[
        ("conv2d has no value 99", &|p| {
            node(p, "conv2d").inputs[0] = 99
        }),
        ("conv2d has no value 99", &|p| {
            node(p, "conv2d").outputs[0] = 99
        }),
        ("group_norm has no value 99", &|p| {
            node(p, "group_norm").scratch = vec![99]
        }),
        ("pack writes the weight 'w as", &|p| {
            let again = node(p, "pack").clone();
            let pack = p.phases.iter_mut().find(|phase| phase.name == PACK);
            pack.unwrap().nodes.push(again);
        }),
        ("conv2d takes 3 operands", &|p| {
            _ = node(p, "conv2d").inputs.pop()
        }),
        ("pointwise gives", &|p| {
            node(p, "pointwise").outputs = vec![]
        }),
        (
            "sampler_update must write 'state' in the place of 'x'",
            &update,
        ),
        ("pointwise writes 'last' over 'last'", &|p| {
            node(p, "pointwise").inputs = node(p, "pointwise").outputs.clone();
        }),
        ("pointwise writes 'last' over 'normed'", &|p| {
            value(p, "phase", "last").slot = slot_of(p, "phase", "normed");
        }),
        ("pointwise gives", &|p| {
            let value = value(p, "phase", "last");
            (value.shape.h, value.shape.w) = (2, 3);
        }),
    ]);
}

#[test]
fn scratch_over_what_a_node_uses_is_refused() {
    let to = |p: &mut Program, name: &str| {
        value(p, "phase", "normed.").slot = slot_of(p, "phase", name);
    };
    check_refused(&[
        ("group_norm works in 'normed.", &|p| to(p, "y")),
        ("which lies over 'y'", &|p| to(p, "y")),
        ("which lies over 'normed'", &|p| {
            let slot = p.phases[1].find("normed").unwrap().slot;
            value(p, "phase", "normed.").slot = slot;
        }),
        // Scratch is used from the start of its slot, whatever its channels.
        ("which lies over 'y'", &|p| {
            to(p, "y");
            for name in ["y", "normed."] {
                value(p, "phase", name).channel_stride = 8;
            }
            let y = value(p, "phase", "y").clone();
            p.slots[y.slot].bytes += 1024;
            let scratch = value(p, "phase", "normed.");
            (scratch.channel_offset, scratch.format) = (4, y.format);
        }),
        ("which lies over 'normed.", &|p| {
            let scratch = node(p, "group_norm").scratch.clone();
            node(p, "group_norm").scratch.extend(scratch);
        }),
        ("works in 'state', which is kept", &|p| {
            let state = p.phases[1].values.iter().position(|v| v.name == "state");
            node(p, "group_norm").scratch = vec![state.unwrap()];
        }),
    ]);
}

#[test]
fn missing_scratch_and_thread_memory_is_refused() {
    check_refused(&[("pointwise needs 1048576 bytes for each thread", &|p| {
        node(p, "pointwise").thread_bytes = 1 << 20
    })]);
    for target in targets() {
        let mut program = prepared(&target);
        node(&mut program, "group_norm").scratch.clear();
        let message = refused(&target, &program).expect("no scratch");
        assert!(message.contains("without scratch memory"), "{message}");
    }
    // Only the CPU's threads work in memory of their own.
    let target = &targets()[0];
    let mut program = prepared(target);
    node(&mut program, "group_norm").thread_bytes -= 4;
    let message = refused(target, &program).expect("too little");
    assert!(message.contains("too little memory"), "{message}");
    let mut program = prepared(target);
    let threads = program.slots.iter_mut().find(|s| s.owner == Owner::Threads);
    threads.expect("a CPU has threads").bytes -= 64;
    let message = refused(target, &program).expect("too little");
    assert!(
        message.contains("bytes for each thread, which has"),
        "{message}"
    );
    let mut program = prepared(target);
    program.threads = 1 << 16;
    let message = refused(target, &program).expect("too many");
    assert!(
        message.contains("bytes for each thread, which has 0"),
        "{message}"
    );
}
