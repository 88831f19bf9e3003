//! A program as text.

use super::{MemoryReport, PlannedValue, Precision, Program, Variant};
use std::fmt::Write;

/// Prints phases, nodes with their kernels, values and slots, one node a line:
/// `conv2d (tile 8x4)  x [1, 32, 160, 160] @3  ->  y [1, 32, 160, 160] @4   471.9 MFLOP`.
///
/// `memory` is the report of whoever will run it.
pub fn dump_program(program: &Program, memory: &MemoryReport) -> String {
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    for phase in &program.phases {
        let (name, nodes, gflop) = (&phase.name, phase.nodes.len(), phase.flops() as f64 / 1e9);
        let _ = writeln!(text, "phase {name} ({nodes} nodes, {gflop:.3} GFLOP)");
        for (index, node) in phase.nodes.iter().enumerate() {
            let list = |ids: &[usize]| {
                let names = ids.iter().map(|&id| describe(&phase.values[id]));
                names.collect::<Vec<_>>().join(", ")
            };
            let kernel = match node.variant {
                Variant::Only => node.op.name().to_owned(),
                variant => format!("{} ({variant})", node.op.name()),
            };
            let scratch = match &node.scratch[..] {
                [] => String::new(),
                ids => format!("; works in {}", list(ids)),
            };
            let _ = writeln!(
                text,
                "  {index:3} {kernel:<24} {}  ->  {}{scratch}   {:.2} MFLOP, {:.2} MiB",
                list(&node.inputs),
                list(&node.outputs),
                phase.node_flops(node) as f64 / 1e6,
                mib(phase.node_bytes(node)),
            );
        }
    }
    let _ = writeln!(text, "slots");
    for (index, slot) in program.slots.iter().enumerate() {
        let (size, owner) = (mib(slot.bytes), slot.owner.name());
        let _ = writeln!(text, "  @{index:<3} {size:10.3} MiB  {owner}");
    }
    let _ = writeln!(
        text,
        "memory: {:.2} MiB: weights {:.2}, persistent {:.2}, temporaries {:.2} (lower bound {:.2}, without sharing {:.2}), threads {:.2}, executor {:.2}, host {:.2}",
        mib(memory.total_bytes()),
        mib(memory.weight_bytes),
        mib(memory.persistent_bytes),
        mib(memory.temporary_bytes),
        mib(memory.largest_live_set),
        mib(memory.unshared_bytes),
        mib(memory.thread_bytes),
        mib(memory.executor_bytes),
        mib(memory.host_bytes),
    );
    text
}

fn describe(value: &PlannedValue) -> String {
    let kind = match value.format.precision {
        Precision::F16 => " f16",
        Precision::Bf16 => " bf16",
        Precision::F32 => "",
    };
    let (start, stride) = (value.channel_offset, value.channel_stride);
    let range = match value.is_part() {
        false => String::new(),
        true => format!("[{start}..{} of {stride}]", start + value.stored_channels()),
    };
    let (name, shape, slot) = (&value.name, value.shape, value.slot);
    format!("{name} {shape}{kind} @{slot}{range}")
}
