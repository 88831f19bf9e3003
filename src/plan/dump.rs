//! A program as text, for `--dump-plan`.

use super::{MemoryReport, PlannedValue, Precision, Program, Variant};
use std::fmt::Write;

/// Prints phases, nodes with their kernels, values and slots, one node a line:
/// `conv2d (tile 4x8)  x [1, 32, 160, 160] @3  ->  y [1, 32, 160, 160] @4   471.9 MFLOP`.
///
/// `memory` is the report of whoever will run it.
pub fn dump_program(program: &Program, memory: &MemoryReport) -> String {
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    for phase in &program.phases {
        let _ = writeln!(
            text,
            "phase {} ({} nodes, {:.3} GFLOP)",
            phase.name,
            phase.nodes.len(),
            phase.flops() as f64 / 1e9
        );
        for (index, node) in phase.nodes.iter().enumerate() {
            let list = |ids: &[usize]| {
                let names: Vec<String> =
                    ids.iter().map(|&id| describe(&phase.values[id])).collect();
                names.join(", ")
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
        let _ = writeln!(
            text,
            "  @{index:<3} {:10.3} MiB  {}",
            mib(slot.bytes),
            slot.owner.name()
        );
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
        Precision::F32 => "",
    };
    let range = match value.is_part() {
        false => String::new(),
        true => {
            let end = value.channel_offset + value.stored_channels();
            format!(
                "[{}..{end} of {}]",
                value.channel_offset, value.channel_stride
            )
        }
    };
    format!(
        "{} {}{kind} @{}{range}",
        value.name, value.shape, value.slot
    )
}
