//! A program as text, for `--dump-plan`.

use super::{Element, PlannedValue, Precision, Program, Storage};
use std::fmt::Write;

/// Prints phases, steps, values and slots, one step a line:
/// `conv2d  x [1, 32, 160, 160] @3  ->  y [1, 32, 160, 160] @4   471.9 MFLOP`.
pub fn dump_program(program: &Program) -> String {
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    for phase in &program.phases {
        let _ = writeln!(
            text,
            "phase {} ({} steps, {:.3} GFLOP)",
            phase.name,
            phase.steps.len(),
            phase.flops() as f64 / 1e9
        );
        for (index, step) in phase.steps.iter().enumerate() {
            let list = |ids: &[usize]| {
                let names: Vec<String> =
                    ids.iter().map(|&id| describe(&phase.values[id])).collect();
                names.join(", ")
            };
            let _ = writeln!(
                text,
                "  {index:3} {:<16} {}  ->  {}   {:.2} MFLOP, {:.2} MiB",
                step.op.name(),
                list(&step.inputs),
                list(&step.outputs),
                phase.step_flops(step) as f64 / 1e6,
                mib(phase.step_bytes(step)),
            );
        }
    }
    let _ = writeln!(text, "slots");
    for (index, slot) in program.slots.iter().enumerate() {
        let _ = writeln!(
            text,
            "  @{index:<3} {:10.3} MiB  {}",
            mib(slot.bytes),
            slot.owner.as_deref().unwrap_or("temporaries")
        );
    }
    let memory = &program.memory;
    let _ = writeln!(
        text,
        "memory: persistent {:.2} MiB, temporaries {:.2} MiB (lower bound {:.2} MiB, without sharing {:.2} MiB)",
        mib(memory.persistent_bytes),
        mib(memory.temporary_bytes),
        mib(memory.largest_live_set),
        mib(memory.unshared_bytes),
    );
    text
}

fn describe(value: &PlannedValue) -> String {
    match value.storage {
        Storage::Parameter => format!("{} {}", value.name, value.shape),
        Storage::Slot {
            slot,
            channel_offset,
            channel_stride,
        } => {
            let kind = match (value.element, value.precision) {
                (Element::Pixel, _) => " rgba8",
                (_, Precision::F16) => " f16",
                (_, Precision::F32) => "",
            };
            let range = if channel_stride == value.stored_channels() {
                String::new()
            } else {
                let end = channel_offset + value.stored_channels();
                format!("[{channel_offset}..{end} of {channel_stride}]")
            };
            format!("{} {}{kind} @{slot}{range}", value.name, value.shape)
        }
    }
}
