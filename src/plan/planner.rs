//! From chosen graphs to a program: every value gets a place in memory.

use super::memory::{Interval, MemoryReport, SLOT_ALIGNMENT, assign_slots, largest_live_set};
use super::{
    ChosenGraph, Format, Owner, Phase, PlannedNode, PlannedValue, Precision, Program, Slot,
};
use crate::graph::{Role, Value, ValueId};
use std::collections::HashMap;
use thiserror::Error;

/// Graphs that do not go together, or that no kernel computes.
#[derive(Debug, Error, PartialEq)]
pub enum PlanError {
    #[error(
        "value '{name}' is {first} in one phase and {second} in phase '{phase}'; persistent values of one name must be alike"
    )]
    Mismatch {
        name: String,
        /// Shape, format and channel groups where it was met first.
        first: String,
        second: String,
        phase: String,
    },
    #[error("phase '{phase}': no node reads or writes '{name}'; leave it out of the graph")]
    Unused { name: String, phase: String },
    /// A node that no kernel of the device computes.
    #[error("phase '{phase}': {op} {reason}")]
    NoKernel {
        phase: String,
        op: String,
        /// The node's first result.
        value: String,
        reason: String,
    },
    /// A value that no slot can hold; a node that breaks a rule of its
    /// operation, or whose kernel does not.
    #[error("phase '{phase}': {what} {reason}")]
    Invalid {
        phase: String,
        /// The operation, or the value with its name.
        what: String,
        reason: String,
    },
    #[error("the program takes more memory than any device has")]
    TooLarge,
    #[error("a program for {0} threads, which no machine has")]
    Threads(usize),
}

impl PlanError {
    pub(crate) fn invalid(phase: &str, what: impl ToString, reason: String) -> Self {
        let (phase, what) = (phase.to_owned(), what.to_string());
        Self::Invalid {
            phase,
            what,
            reason,
        }
    }
}

/// The slot of each root value.
type Places = HashMap<ValueId, usize>;

/// Plans the phases of a program over one set of slots.
///
/// Temporaries share slots within a phase and across phases (phases run one
/// after the other); scratch counts as temporary. Persistent values and packed
/// weights get a slot of their own.
///
/// # Errors
/// When persistent values of one name differ between phases, or a temporary
/// is never used.
pub fn plan(
    graphs: &[ChosenGraph],
    threads: usize,
    precision: Precision,
) -> Result<Program, PlanError> {
    let mut persistent = Persistent::default();
    let (mut temporaries, mut intervals) = (Vec::new(), Vec::new());
    let mut places: Vec<Places> = vec![HashMap::new(); graphs.len()];

    let mut start = 0;
    for (phase, graph) in graphs.iter().enumerate() {
        let lives = lifetimes(graph);
        for (index, value) in graph.values.iter().enumerate() {
            let id = ValueId(index);
            if value.view_of.is_some() {
                continue;
            }
            if value.role.is_persistent() {
                places[phase].insert(id, persistent.slot(graph, index)?);
            } else if let Some(&(first, last)) = lives.get(&id) {
                temporaries.push((phase, id));
                intervals.push(Interval {
                    first: start + first,
                    last: start + last,
                    bytes: array_bytes(graph, index),
                });
            } else {
                return Err(PlanError::Unused {
                    name: value.name.clone(),
                    phase: graph.name.clone(),
                });
            }
        }
        start += graph.nodes.len();
    }

    let mut slots = persistent.slots;
    let (assignment, sizes) = assign_slots(&intervals);
    for (&(phase, id), slot) in temporaries.iter().zip(assignment) {
        places[phase].insert(id, slots.len() + slot);
    }
    slots.extend(sizes.iter().map(|&bytes| Slot {
        bytes,
        owner: Owner::Temporaries,
    }));
    let nodes = graphs.iter().flat_map(|graph| &graph.nodes);
    let of_thread = nodes.map(|node| node.thread_bytes).max().unwrap_or(0);
    if of_thread > 0 {
        slots.push(Slot {
            bytes: of_thread.next_multiple_of(SLOT_ALIGNMENT) * threads as u64,
            owner: Owner::Threads,
        });
    }

    let values = graphs.iter().flat_map(|graph| &graph.values);
    let outputs = values.filter(|value| value.role == Role::Output);
    let output_bytes = outputs.map(|value| 4 * value.shape.elements() as u64);
    let mut memory = MemoryReport {
        host_bytes: output_bytes.max().unwrap_or(0),
        largest_live_set: largest_live_set(&intervals),
        unshared_bytes: intervals.iter().map(|interval| interval.bytes).sum(),
        ..MemoryReport::default()
    };
    for slot in &slots {
        *match slot.owner {
            Owner::Temporaries => &mut memory.temporary_bytes,
            Owner::Value(_) => &mut memory.persistent_bytes,
            Owner::Packed(_) => &mut memory.weight_bytes,
            Owner::Threads => &mut memory.thread_bytes,
        } += slot.bytes;
    }
    let phases = graphs.iter().zip(&places);
    let phases = phases.map(|(graph, places)| placed(graph, places));
    Ok(Program {
        phases: phases.collect(),
        slots,
        memory,
        threads,
        precision,
    })
}

/// The slots of persistent values, by name.
#[derive(Default)]
struct Persistent<'a> {
    slots: Vec<Slot>,
    known: HashMap<&'a str, (usize, &'a Value, Format)>,
}

impl<'a> Persistent<'a> {
    fn slot(&mut self, graph: &'a ChosenGraph, index: usize) -> Result<usize, PlanError> {
        let (value, format) = (&graph.values[index], graph.formats[index]);
        if let Some(&(slot, known, known_format)) = self.known.get(value.name.as_str()) {
            let kind = |value: &Value, format| (value.shape, value.segments.clone(), format);
            if kind(known, known_format) == kind(value, format) {
                return Ok(slot);
            }
            return Err(PlanError::Mismatch {
                name: value.name.clone(),
                first: describe(known, known_format),
                second: describe(value, format),
                phase: graph.name.clone(),
            });
        }
        self.slots.push(Slot {
            bytes: array_bytes(graph, index),
            owner: match value.role {
                Role::Packed => Owner::Packed(value.name.clone()),
                _ => Owner::Value(value.name.clone()),
            },
        });
        let slot = self.slots.len() - 1;
        self.known.insert(&value.name, (slot, value, format));
        Ok(slot)
    }
}

fn describe(value: &Value, format: Format) -> String {
    match value.segments.as_slice() {
        [_] => format!("{} in {format}", value.shape),
        groups => format!("{} in {format}, channel groups {groups:?}", value.shape),
    }
}

/// First and last node that touches each root value.
fn lifetimes(graph: &ChosenGraph) -> HashMap<ValueId, (usize, usize)> {
    let mut lives: HashMap<ValueId, (usize, usize)> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let ids = node.inputs.iter().chain(&node.outputs);
        for &id in ids.chain(&node.scratch) {
            let root = graph.values[id.0].view_of.map_or(id, |(of, _)| of);
            lives.entry(root).or_insert((at, at)).1 = at;
        }
    }
    lives
}

fn placed(graph: &ChosenGraph, places: &Places) -> Phase {
    let place = |(index, value): (usize, &Value)| {
        let (root, first) = value.view_of.unwrap_or((ValueId(index), 0));
        let whole = &graph.values[root.0];
        let format = graph.formats[root.0];
        PlannedValue {
            name: value.name.clone(),
            shape: value.shape,
            segments: value.segments.clone(),
            role: value.role,
            format,
            packing: graph.packings[index].clone(),
            slot: places[&root],
            channel_offset: format.layout.stored_channels(&whole.segments[..first]),
            channel_stride: format.layout.stored_channels(&whole.segments),
        }
    };
    let indices = |ids: &[ValueId]| ids.iter().map(|id| id.0).collect();
    let nodes = graph.nodes.iter().map(|node| PlannedNode {
        op: node.op.clone(),
        variant: node.variant,
        inputs: indices(&node.inputs),
        outputs: indices(&node.outputs),
        scratch: indices(&node.scratch),
        thread_bytes: node.thread_bytes,
    });
    Phase {
        name: graph.name.clone(),
        values: graph.values.iter().enumerate().map(place).collect(),
        nodes: nodes.collect(),
    }
}

fn array_bytes(graph: &ChosenGraph, index: usize) -> u64 {
    let (value, format) = (&graph.values[index], graph.formats[index]);
    let elements = match &graph.packings[index] {
        Some(packing) => packing.elements(),
        None => {
            let channels = format.layout.stored_channels(&value.segments);
            value.shape.n * channels * value.shape.pixels()
        }
    };
    ((elements * format.precision.bytes()) as u64).next_multiple_of(SLOT_ALIGNMENT)
}
