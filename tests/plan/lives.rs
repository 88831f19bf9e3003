//! When arrays are alive.

use super::checker::Planned;
use super::places::{root, slot_bytes};
use srdiff::graph::{Role, ValueId};
use srdiff::plan::{ChosenGraph, ChosenNode};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// One channel group of an array: (root value, group).
type Cell = (ValueId, usize);

/// Bytes of the temporaries alive at the fullest node: at least this much
/// memory is needed whatever the assignment.
pub fn lower_bound(planned: &Planned) -> u64 {
    let sums = live_bytes(planned)
        .into_iter()
        .map(|live| live.iter().sum());
    sums.max().unwrap_or(0)
}

/// A bound for slots, which hold one array at a time: the k-th largest slot
/// must hold the k-th largest array of every node.
pub fn undivided_bound(planned: &Planned) -> u64 {
    let mut slots: Vec<u64> = Vec::new();
    for mut live in live_bytes(planned) {
        live.sort_unstable_by_key(|&bytes| Reverse(bytes));
        slots.resize(slots.len().max(live.len()), 0);
        for (slot, bytes) in slots.iter_mut().zip(live) {
            *slot = bytes.max(*slot);
        }
    }
    slots.iter().sum()
}

/// The sizes of the temporaries alive at each node.
fn live_bytes(planned: &Planned) -> Vec<Vec<u64>> {
    let phases = planned.chosen.iter().zip(&planned.program.phases);
    let nodes = phases.flat_map(|(graph, phase)| {
        live_roots(graph).into_iter().map(move |alive| {
            let alive = alive.into_iter();
            let shared = alive.filter(|root| !graph.values[root.0].role.is_persistent());
            shared
                .map(|root| slot_bytes(&phase.values[root.0]))
                .collect()
        })
    });
    nodes.collect()
}

/// At no node do two live arrays have one slot.
pub fn check_sharing(planned: &Planned, faults: &mut Vec<String>) {
    for (graph, phase) in planned.chosen.iter().zip(&planned.program.phases) {
        for (node, alive) in live_roots(graph).into_iter().enumerate() {
            let mut holder: HashMap<usize, ValueId> = HashMap::new();
            for root in alive {
                let slot = phase.values[root.0].slot;
                if let Some(other) = holder.insert(slot, root) {
                    let name = |id: ValueId| &graph.values[id.0].name;
                    faults.push(format!(
                        "phase '{}' node {node}: '{}' and '{}' are both alive in slot {slot}",
                        phase.name,
                        name(other),
                        name(root)
                    ));
                }
            }
        }
    }
}

/// The arrays that matter at each node: read, written or worked in there, or
/// holding a group that a later node reads. Worked out backwards, group by
/// group.
fn live_roots(graph: &ChosenGraph) -> Vec<BTreeSet<ValueId>> {
    let persistent: BTreeSet<ValueId> = (0..graph.values.len())
        .map(ValueId)
        .filter(|&id| root(graph, id) == id && graph.values[id.0].role.is_persistent())
        .collect();
    let mut wanted: BTreeSet<Cell> = BTreeSet::new();
    let mut alive = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        let mut now = persistent.clone();
        now.extend(wanted.iter().map(|&(root, _)| root));
        now.extend(touched(node).map(|id| root(graph, id)));
        alive.push(now);
        for &id in &node.outputs {
            for cell in cells(graph, id) {
                wanted.remove(&cell);
            }
        }
        for &id in &node.inputs {
            match graph.values[id.0].role {
                Role::Temporary => wanted.extend(cells(graph, id)),
                // The host writes a tensor before the first node that packs it.
                Role::Parameter => {
                    let mut before = graph.nodes[..at].iter();
                    match before.any(|node| node.inputs.contains(&id)) {
                        true => wanted.extend(cells(graph, id)),
                        false => wanted.retain(|&(root, _)| root != id),
                    }
                }
                _ => {}
            }
        }
    }
    alive.reverse();
    alive
}

fn touched(node: &ChosenNode) -> impl Iterator<Item = ValueId> {
    let ids = node.inputs.iter().chain(&node.outputs);
    ids.chain(&node.scratch).copied()
}

fn cells(graph: &ChosenGraph, id: ValueId) -> impl Iterator<Item = Cell> {
    let value = &graph.values[id.0];
    let (root, first) = value.view_of.unwrap_or((id, 0));
    (first..first + value.segments.len()).map(move |group| (root, group))
}
