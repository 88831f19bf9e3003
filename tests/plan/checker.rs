//! An independent judge of plans: it walks the steps and keeps its own books.
//! It takes from the planner nothing but the places it gave.

use srdiff::graph::{
    Element, Graph, Layout, Plan, PlannedValue, Precision, Program, Role, Storage, ValueId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const NOT_THERE: &str = "which is not there";

/// One channel group of an array: (root value, group).
type Cell = (ValueId, usize);

/// What is wrong with a plan, one sentence each; empty when nothing is.
///
/// `unwritten` names the states that may be read before a phase wrote them.
/// Every phase is run twice in a row, as the phase of a reverse step is.
pub fn check(graphs: &[Graph], program: &Program, unwritten: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (graph, plan) in graphs.iter().zip(&program.phases) {
        check_places(graph, plan, program, &mut faults);
        check_sharing(graph, plan, &mut faults);
    }
    // Only a plan whose places are all there can be run.
    if !faults.iter().any(|fault| fault.ends_with(NOT_THERE)) {
        check_contents(graphs, program, unwritten, &mut faults);
    }
    faults
}

/// Bytes of the temporaries alive at the fullest step: at least this much
/// memory is needed whatever the assignment.
pub fn lower_bound(graphs: &[Graph], program: &Program) -> u64 {
    let mut most = 0;
    for (graph, plan) in graphs.iter().zip(&program.phases) {
        for alive in live_roots(graph) {
            let bytes = alive
                .iter()
                .filter(|root| graph.value(**root).role == Role::Temporary)
                .map(|root| array_bytes(&plan.values[root.0]))
                .sum();
            most = most.max(bytes);
        }
    }
    most
}

/// Every array inside its slot, every view inside its array and aligned,
/// persistent values and temporaries apart.
fn check_places(graph: &Graph, plan: &Plan, program: &Program, faults: &mut Vec<String>) {
    for (index, value) in plan.values.iter().enumerate() {
        let name = &value.name;
        if value.role == Role::Parameter {
            if value.storage != Storage::Parameter {
                faults.push(format!("weight '{name}' has a slot"));
            }
            continue;
        }
        let Storage::Slot {
            slot,
            channel_offset: offset,
            channel_stride: stride,
        } = value.storage
        else {
            faults.push(format!("'{name}' is in a slot, {NOT_THERE}"));
            continue;
        };
        let alignment = match value.layout {
            Layout::ChannelsLast => 1,
            Layout::ChannelBlocks4 => 4,
        };
        if offset % alignment != 0 || stride % alignment != 0 {
            faults.push(format!("'{name}' starts at channel {offset} of {stride}"));
        }
        let root = graph.root(ValueId(index));
        let whole = &plan.values[root.0];
        let first = graph.value(ValueId(index)).view_of.map_or(0, |(_, g)| g);
        let before: usize = whole.segments[..first]
            .iter()
            .map(|c| c.next_multiple_of(alignment))
            .sum();
        if offset != before || offset + padded(value) > stride || stride != padded(whole) {
            faults.push(format!(
                "'{name}' at channels {offset}..{} of {stride} is not groups {first}.. of '{}'",
                offset + padded(value),
                whole.name
            ));
        }
        let Some(memory) = program.slots.get(slot) else {
            faults.push(format!("'{name}' is in slot {slot}, {NOT_THERE}"));
            continue;
        };
        if array_bytes(whole) > memory.bytes {
            faults.push(format!(
                "'{name}' needs {} bytes of slot {slot}, which has {}",
                array_bytes(whole),
                memory.bytes
            ));
        }
        let owner = value.role.is_persistent().then_some(&whole.name);
        if memory.owner.as_ref() != owner {
            faults.push(format!(
                "'{name}' is in slot {slot} of {:?}",
                memory.owner.as_deref().unwrap_or("temporaries")
            ));
        }
    }
}

/// At no step do two live arrays have one slot.
fn check_sharing(graph: &Graph, plan: &Plan, faults: &mut Vec<String>) {
    for (step, alive) in live_roots(graph).into_iter().enumerate() {
        let mut holder: HashMap<usize, ValueId> = HashMap::new();
        for root in alive {
            let Storage::Slot { slot, .. } = plan.values[root.0].storage else {
                continue;
            };
            if let Some(other) = holder.insert(slot, root) {
                faults.push(format!(
                    "phase '{}' step {step}: '{}' and '{}' are both alive in slot {slot}",
                    plan.name,
                    graph.value(other).name,
                    graph.value(root).name
                ));
            }
        }
    }
}

/// The arrays that matter at each step: read or written there, or holding a
/// group that a later step reads. Worked out backwards, group by group.
fn live_roots(graph: &Graph) -> Vec<BTreeSet<ValueId>> {
    let persistent: BTreeSet<ValueId> = (0..graph.values.len())
        .map(ValueId)
        .filter(|&id| graph.root(id) == id && graph.value(id).role.is_persistent())
        .collect();
    let mut wanted: BTreeSet<Cell> = BTreeSet::new();
    let mut alive = Vec::new();
    for node in graph.nodes.iter().rev() {
        let mut now = persistent.clone();
        now.extend(wanted.iter().map(|&(root, _)| root));
        for &id in node.inputs.iter().chain(&node.outputs) {
            if graph.value(id).role != Role::Parameter {
                now.insert(graph.root(id));
            }
        }
        alive.push(now);
        for &id in &node.outputs {
            for cell in cells(graph, id) {
                wanted.remove(&cell);
            }
        }
        for &id in &node.inputs {
            if graph.value(id).role == Role::Temporary {
                wanted.extend(cells(graph, id));
            }
        }
    }
    alive.reverse();
    alive
}

fn cells(graph: &Graph, id: ValueId) -> impl Iterator<Item = Cell> {
    let value = graph.value(id);
    let (root, first) = value.view_of.unwrap_or((id, 0));
    (first..first + value.segments.len()).map(move |group| (root, group))
}

/// Which array a slot holds, and which write filled each of its channels.
#[derive(Default)]
struct Contents {
    array: Option<(String, String)>,
    channels: BTreeMap<usize, u64>,
}

/// Runs the plan on tags in place of numbers: each write leaves its number in
/// the channels it covers, each read must find the numbers that the graph
/// says it reads.
fn check_contents(
    graphs: &[Graph],
    program: &Program,
    unwritten: &[&str],
    faults: &mut Vec<String>,
) {
    let mut slots: Vec<Contents> = Vec::new();
    slots.resize_with(program.slots.len(), Contents::default);
    // What the graph means: the last write of each group of each array.
    let mut meant: HashMap<(String, String, usize), u64> = HashMap::new();
    let mut write = 0;

    for (graph, plan) in graphs.iter().zip(&program.phases) {
        for run in 0..2 {
            // Temporaries of an earlier run hold nothing that may be read.
            meant.retain(|(phase, _, _), _| phase.is_empty());
            for (step, node) in graph.nodes.iter().enumerate() {
                for (&id, &planned) in node.inputs.iter().zip(&plan.steps[step].inputs) {
                    let value = &plan.values[planned];
                    if matches!(value.role, Role::Parameter | Role::Input) {
                        continue;
                    }
                    if unwritten.contains(&value.name.as_str()) {
                        continue;
                    }
                    let array = array_key(graph, id);
                    for (group, channels) in group_channels(graph, id, value) {
                        let expected = meant.get(&(array.0.clone(), array.1.clone(), group));
                        let held = &slots[value.place().0];
                        let sound = held.array.as_ref() == Some(&array)
                            && expected.is_some()
                            && channels.clone().all(|c| held.channels.get(&c) == expected);
                        if !sound {
                            faults.push(format!(
                                "phase '{}' run {run} step {step}: {} reads group {group} of '{}' from slot {}, which holds {:?}",
                                plan.name, node.op.name(), value.name, value.place().0, held.array
                            ));
                        }
                    }
                }
                for (&id, &planned) in node.outputs.iter().zip(&plan.steps[step].outputs) {
                    let value = &plan.values[planned];
                    let array = array_key(graph, id);
                    let slot = value.place().0;
                    let held = &mut slots[slot];
                    if held.array.as_ref() != Some(&array) {
                        if let Some(owner) = &program.slots[slot].owner
                            && *owner != array.1
                        {
                            faults.push(format!("'{}' overwrites '{owner}'", value.name));
                        }
                        *held = Contents {
                            array: Some(array.clone()),
                            channels: BTreeMap::new(),
                        };
                    }
                    for (group, channels) in group_channels(graph, id, value) {
                        write += 1;
                        held.channels.extend(channels.map(|c| (c, write)));
                        meant.insert((array.0.clone(), array.1.clone(), group), write);
                    }
                }
            }
        }
    }
}

/// A name for an array: persistent ones are the same in every phase.
fn array_key(graph: &Graph, id: ValueId) -> (String, String) {
    let root = graph.value(graph.root(id));
    let phase = match root.role {
        Role::Temporary => graph.name.clone(),
        _ => String::new(),
    };
    (phase, root.name.clone())
}

/// The groups of the array that a value covers, and the channels of its slot
/// that each takes by the plan.
fn group_channels(
    graph: &Graph,
    id: ValueId,
    planned: &PlannedValue,
) -> Vec<(usize, std::ops::Range<usize>)> {
    let (_, mut at, _) = planned.place();
    let first = graph.value(id).view_of.map_or(0, |(_, first)| first);
    let alignment = planned.layout.channel_alignment();
    let mut groups = Vec::new();
    for (index, &channels) in planned.segments.iter().enumerate() {
        groups.push((first + index, at..at + channels));
        at += channels.next_multiple_of(alignment);
    }
    groups
}

fn padded(value: &PlannedValue) -> usize {
    let alignment = match value.layout {
        Layout::ChannelsLast => 1,
        Layout::ChannelBlocks4 => 4,
    };
    let padded = value.segments.iter().map(|c| c.div_ceil(alignment));
    padded.sum::<usize>() * alignment
}

/// Bytes of a whole array, padding counted.
pub fn array_bytes(value: &PlannedValue) -> u64 {
    let (channels, size) = match (value.element, value.precision) {
        (Element::Pixel, _) => (1, 4),
        (_, Precision::F32) => (padded(value), 4),
        (_, Precision::F16) => (padded(value), 2),
    };
    (value.shape.n * channels * value.shape.h * value.shape.w * size) as u64
}
