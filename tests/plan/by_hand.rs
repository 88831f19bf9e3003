//! Programs made by hand to lie about memory are refused.

use super::check::{refused, targets};
use super::errors::copy;
use srdiff::graph::{Role, Shape};
use srdiff::ops::{
    Axis, ChannelMap, Convert, Coordinate, LinearAttention, Noise, Op, Pack, Packing,
    UpsampleBicubic, UpsampleNearest,
};
use srdiff::plan::{
    Format, Layout, MemoryReport, Owner, PACK, Phase, PlannedNode, PlannedValue, Precision,
    Program, Slot, Variant,
};

/// A program of one node by hand, on the CPU.
fn by_hand(node: PlannedNode, values: Vec<PlannedValue>, bytes: u64) -> Program {
    let slot = Slot {
        bytes,
        owner: Owner::Temporaries,
    };
    Program {
        phases: vec![Phase {
            name: "phase".to_owned(),
            values,
            nodes: vec![node],
        }],
        slots: vec![slot.clone(), slot],
        memory: MemoryReport::default(),
        threads: 1,
        precision: Precision::F32,
    }
}

fn one(op: Op, inputs: &[usize], outputs: &[usize]) -> PlannedNode {
    PlannedNode {
        op,
        variant: Variant::Only,
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        scratch: Vec::new(),
        thread_bytes: 0,
    }
}

fn at(name: &str, shape: Shape, segments: &[usize], slot: usize, first: usize) -> PlannedValue {
    PlannedValue {
        name: name.to_owned(),
        shape,
        segments: segments.to_vec(),
        role: Role::Temporary,
        format: Format::PLAIN,
        packing: None,
        slot,
        channel_offset: first,
        channel_stride: first + segments.iter().sum::<usize>(),
    }
}

fn refused_on_the_cpu(program: &Program) -> String {
    program.check().expect_err("no planner makes this");
    refused(&targets()[0], program).expect("no planner makes this")
}

#[test]
fn a_shape_that_overflows_is_refused() {
    let shape = Shape::new(1, 1, 1 << 63, 2);
    let noise = one(Op::Noise(Noise { shape }), &[], &[0]);
    let program = by_hand(noise, vec![at("x", shape, &[1], 0, 0)], 64);
    let message = refused_on_the_cpu(&program);
    assert!(message.contains("is larger than any memory"), "{message}");
}

#[test]
fn channel_groups_that_lie_are_refused() {
    // By its groups x has 1 channel, by its shape 8: they overlap by 7.
    let shape = Shape::new(1, 8, 64, 64);
    let mut x = at("x", shape, &[1], 0, 0);
    x.channel_stride = 9;
    let values = vec![x, at("y", shape, &[8], 0, 1)];
    let program = by_hand(one(copy(), &[0], &[1]), values, 64 * 64 * 9 * 4);
    let message = refused_on_the_cpu(&program);
    assert!(
        message.contains("is not made of channel groups [1]"),
        "{message}"
    );
}

#[test]
fn sizes_that_overflow_in_an_operation_are_refused() {
    let small = Shape::new(1, 12, 2, 2);
    let ops = [
        Op::UpsampleNearest(UpsampleNearest {
            factor: (1 << 63) + 1,
        }),
        Op::UpsampleBicubic(UpsampleBicubic {
            factor: (1 << 63) + 1,
        }),
        // 3 * heads * 4 is 12 in 64 bits.
        Op::LinearAttention(LinearAttention {
            heads: (1 << 62) + 1,
            head_channels: 4,
        }),
    ];
    for op in ops {
        let shape = match op {
            Op::LinearAttention(_) => small.with_channels(4),
            _ => small,
        };
        let values = vec![
            at("x", small, &[12], 0, 0),
            at("y", shape, &[shape.c], 1, 0),
        ];
        refused_on_the_cpu(&by_hand(one(op, &[0], &[1]), values, 4096));
    }
}

#[test]
fn channels_beside_one_another_in_arrays_of_different_sizes_are_one_memory() {
    // In blocks of 4 channels, where a block begins depends on the pixels.
    let x = Shape::new(1, 4, 8, 8);
    let format = Format::new(Layout::ChannelBlocks4, Precision::F32);
    let mut values = vec![at("x", x, &[4], 0, 0), at("y", x, &[4], 0, 4)];
    for value in &mut values {
        (value.format, value.channel_stride) = (format, 8);
    }
    let node = one(copy(), &[0], &[1]);
    let program = by_hand(node.clone(), values.clone(), 4096);
    program.check().expect("two groups of one array");
    let enlarge = one(
        Op::UpsampleNearest(UpsampleNearest { factor: 2 }),
        &[0],
        &[1],
    );
    values[0].shape = Shape::new(1, 4, 4, 4);
    let message = by_hand(enlarge, values, 4096)
        .check()
        .unwrap_err()
        .to_string();
    assert!(message.contains("writes 'y' over 'x'"), "{message}");
}

#[test]
fn a_packed_weight_fills_its_slot_whatever_its_channels() {
    let shape = Shape::vector(4);
    let packing = Packing {
        plain: shape,
        winograd: None,
        turned: false,
        axes: vec![Axis::new(16, Coordinate::C, 1)],
        channels: None,
        precision: Precision::F32,
    };
    let mut plain = at("w", shape, &[4], 0, 4);
    plain.role = Role::Parameter;
    let mut packed = at("w as", shape, &[4], 0, 0);
    (packed.role, packed.channel_stride) = (Role::Packed, 8);
    packed.packing = Some(packing.clone());
    let mut program = by_hand(
        one(Op::Pack(Pack { packing }), &[0], &[1]),
        vec![plain, packed],
        64,
    );
    program.phases[0].name = PACK.to_owned();
    let message = refused_on_the_cpu(&program);
    assert!(message.contains("in the slot of temporaries"), "{message}");
}

/// The CPU makes a table of a weight's channels as they are stored.
#[test]
fn padding_that_no_packed_weight_holds_is_refused() {
    let shape = Shape::vector(4);
    let packed_with = |alignment| {
        let packing = Packing {
            channels: Some(ChannelMap {
                coordinate: Coordinate::C,
                segments: vec![1, 3],
                alignment,
            }),
            ..Packing::vector(shape, 16)
        };
        let mut plain = at("w", shape, &[4], 0, 0);
        (plain.role, plain.format) = (Role::State, Format::TENSOR);
        let mut packed = at("w as", shape, &[4], 1, 0);
        (packed.role, packed.format) = (Role::Packed, Format::TENSOR);
        packed.packing = Some(packing.clone());
        let pack = one(Op::Pack(Pack { packing }), &[0], &[1]);
        let mut program = by_hand(pack, vec![plain, packed], 64);
        let owners = [
            Owner::Value("w".to_owned()),
            Owner::Packed("w as".to_owned()),
        ];
        program.slots = owners.map(|owner| Slot { bytes: 64, owner }).to_vec();
        program.phases[0].name = PACK.to_owned();
        program
    };
    packed_with(8)
        .check()
        .expect("channels 0 and 8 to 11 of 16");
    for alignment in [32, 1 << 40] {
        let message = refused_on_the_cpu(&packed_with(alignment));
        assert!(message.contains("is packed as"), "{message}");
    }
}

#[test]
fn threads_that_no_machine_has_are_refused() {
    let shape = Shape::new(1, 4, 2, 2);
    let values = vec![at("x", shape, &[4], 0, 0)];
    let mut program = by_hand(one(Op::Noise(Noise { shape }), &[], &[0]), values, 64);
    program.check().unwrap();
    for threads in [0, usize::MAX] {
        program.threads = threads;
        let message = refused_on_the_cpu(&program);
        assert!(message.contains("threads"), "{message}");
    }
}

#[test]
fn a_conversion_within_one_slot_is_refused() {
    // Beside one another in one array: kernels take whole slots for two.
    let shape = Shape::new(1, 4, 2, 2);
    let mut values = vec![at("x", shape, &[4], 0, 0), at("y", shape, &[4], 0, 4)];
    values[0].channel_stride = 8;
    let node = one(Op::Convert(Convert {}), &[0], &[1]);
    let message = refused_on_the_cpu(&by_hand(node.clone(), values.clone(), 256));
    assert!(message.contains("within one slot"), "{message}");
    values[1].slot = 1;
    by_hand(node, values, 256).check().expect("two slots");
}

#[test]
fn packing_what_was_packed_is_refused() {
    // All weights are packed at once, so none may be read meanwhile.
    let shape = Shape::vector(16);
    let packing = Packing::vector(shape, 16);
    let mut plain = at("w", shape, &[16], 0, 0);
    (plain.role, plain.format) = (Role::State, Format::TENSOR);
    let packed = |name: &str, slot| PlannedValue {
        role: Role::Packed,
        packing: Some(packing.clone()),
        format: Format::TENSOR,
        ..at(name, shape, &[16], slot, 0)
    };
    let pack = |from, to| {
        let packing = packing.clone();
        one(Op::Pack(Pack { packing }), &[from], &[to])
    };
    let values = vec![plain, packed("a", 1), packed("b", 2)];
    let mut program = by_hand(pack(0, 1), values, 64);
    let owners = [
        Owner::Value("w".to_owned()),
        Owner::Packed("a".to_owned()),
        Owner::Packed("b".to_owned()),
    ];
    program.slots = owners.map(|owner| Slot { bytes: 64, owner }).to_vec();
    program.phases[0].name = PACK.to_owned();
    program.phases[0].nodes.push(pack(0, 2));
    program.check().expect("one parameter, packed twice");
    program.phases[0].nodes[1] = pack(1, 2);
    let message = refused_on_the_cpu(&program);
    assert!(
        message.contains("packs 'a', which is no parameter"),
        "{message}"
    );
}
