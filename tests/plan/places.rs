//! Where arrays are: inside their slots, by their formats and packings.

use super::checker::Planned;
use srdiff::graph::{Role, ValueId};
use srdiff::plan::{ChosenGraph, Layout, Owner, PlannedValue, Precision};

pub const NOT_THERE: &str = "which is not there";

/// Slots are whole cache lines.
const LINE: u64 = 64;

/// Every array inside a slot of its own kind, every view inside its array and
/// aligned; no slot larger than what it must hold.
pub fn check_places(planned: &Planned, faults: &mut Vec<String>) {
    let program = &planned.program;
    let mut needed = vec![0; program.slots.len()];
    for (graph, phase) in planned.chosen.iter().zip(&program.phases) {
        for (index, value) in phase.values.iter().enumerate() {
            let name = &value.name;
            check_format(graph, index, value, faults);
            check_channels(graph, index, &phase.values, faults);
            let Some(slot) = program.slots.get(value.slot) else {
                faults.push(format!("'{name}' is in slot {}, {NOT_THERE}", value.slot));
                continue;
            };
            let root = root(graph, ValueId(index));
            let bytes = array_bytes(&phase.values[root.0]);
            if bytes > slot.bytes {
                let (at, there) = (value.slot, slot.bytes);
                faults.push(format!(
                    "'{name}' needs {bytes} bytes of slot {at}, which has {there}"
                ));
            }
            needed[value.slot] = bytes.max(needed[value.slot]);
            let whole = graph.values[root.0].name.clone();
            let owner = match value.role {
                Role::Packed => Owner::Packed(whole),
                role if role.is_persistent() => Owner::Value(whole),
                _ => Owner::Temporaries,
            };
            if slot.owner != owner {
                faults.push(format!(
                    "'{name}' is in slot {} of {}",
                    value.slot,
                    slot.owner.name()
                ));
            }
        }
    }
    check_slots(planned, &needed, faults);
}

fn check_slots(planned: &Planned, needed: &[u64], faults: &mut Vec<String>) {
    let program = &planned.program;
    let nodes = program.phases.iter().flat_map(|phase| &phase.nodes);
    let of_thread = nodes.map(|node| node.thread_bytes).max().unwrap_or(0);
    let of_threads = of_thread.next_multiple_of(LINE) * program.threads as u64;
    for (index, (slot, &needed)) in program.slots.iter().zip(needed).enumerate() {
        let expected = match slot.owner {
            Owner::Threads => of_threads,
            _ => needed.next_multiple_of(LINE),
        };
        if slot.bytes != expected {
            let there = slot.bytes;
            faults.push(format!(
                "slot {index} has {there} bytes, but {expected} are needed"
            ));
        }
        let again = program.slots[..index].iter().any(|s| s.owner == slot.owner);
        if slot.owner != Owner::Temporaries && again {
            faults.push(format!("{} has two slots", slot.owner.name()));
        }
    }
    let threads = program.slots.iter().find(|s| s.owner == Owner::Threads);
    if threads.is_some() != (of_thread > 0) {
        faults.push(format!("threads need {of_thread} bytes each: {threads:?}"));
    }
}

/// The format that was chosen, and the packing.
fn check_format(graph: &ChosenGraph, index: usize, value: &PlannedValue, faults: &mut Vec<String>) {
    let (name, whole) = (&value.name, root(graph, ValueId(index)));
    if value.format != graph.formats[whole.0] || value.packing != graph.packings[index] {
        faults.push(format!("'{name}' was chosen in another format"));
    }
    if (value.role == Role::Packed) != value.packing.is_some() {
        faults.push(format!("'{name}' is {:?}: {:?}", value.role, value.packing));
    }
    let of_packing = value.packing.as_ref().map(|packing| packing.precision);
    if of_packing.is_some_and(|precision| precision != value.format.precision) {
        faults.push(format!("'{name}' is packed in another precision"));
    }
}

fn check_channels(
    graph: &ChosenGraph,
    index: usize,
    values: &[PlannedValue],
    faults: &mut Vec<String>,
) {
    let value = &values[index];
    let (name, alignment) = (&value.name, alignment(value));
    let (offset, stride) = (value.channel_offset, value.channel_stride);
    if !offset.is_multiple_of(alignment) || !stride.is_multiple_of(alignment) {
        faults.push(format!("'{name}' starts at channel {offset} of {stride}"));
    }
    let whole = &values[root(graph, ValueId(index)).0];
    let first = graph.values[index].view_of.map_or(0, |(_, first)| first);
    let before = whole.segments[..first].iter();
    let before: usize = before.map(|c| c.next_multiple_of(alignment)).sum();
    let end = offset + padded(value);
    if offset != before || end > stride || stride != padded(whole) {
        let of = &whole.name;
        faults.push(format!(
            "'{name}' at channels {offset}..{end} of {stride} is not groups {first}.. of '{of}'"
        ));
    }
    if value.slot != whole.slot {
        faults.push(format!("'{name}' is in another slot than its array"));
    }
}

/// The value that holds the memory of `id`.
pub fn root(graph: &ChosenGraph, id: ValueId) -> ValueId {
    graph.values[id.0].view_of.map_or(id, |(of, _)| of)
}

/// Channels to which groups are padded.
pub fn alignment(value: &PlannedValue) -> usize {
    match value.format.layout {
        Layout::ChannelsLast | Layout::ChannelsFirst => 1,
        Layout::ChannelBlocks4 => 4,
    }
}

fn padded(value: &PlannedValue) -> usize {
    let groups = value.segments.iter().map(|c| c.div_ceil(alignment(value)));
    groups.sum::<usize>() * alignment(value)
}

/// Bytes of a whole array, padding counted.
pub fn array_bytes(value: &PlannedValue) -> u64 {
    let size = match value.format.precision {
        Precision::F32 => 4,
        Precision::F16 | Precision::Bf16 => 2,
    };
    let elements = match &value.packing {
        Some(packing) => packing.axes.iter().map(|axis| axis.size).product(),
        None => value.shape.n * padded(value) * value.shape.h * value.shape.w,
    };
    (elements * size) as u64
}

/// The same in whole cache lines, as slots have it.
pub fn slot_bytes(value: &PlannedValue) -> u64 {
    array_bytes(value).next_multiple_of(LINE)
}
