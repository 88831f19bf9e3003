//! From graphs to a program: every value gets a place in memory.

use super::memory::{Interval, MemoryReport, assign_slots, largest_live_set};
use super::plan::{element_bytes, stored_channels};
use super::{
    Element, Graph, Plan, PlanOptions, PlannedValue, Precision, Program, Role, Slot, Step, Storage,
    Value, ValueId,
};
use std::collections::HashMap;
use thiserror::Error;

/// Graphs that do not go together.
#[derive(Debug, Error, PartialEq)]
pub enum PlanError {
    /// A persistent value that differs from phase to phase.
    #[error(
        "value '{name}' is {first} in one phase and {second} in phase '{phase}'; persistent values of one name must be alike"
    )]
    Mismatch {
        /// Name.
        name: String,
        /// Shape, element and channel groups where it was met first.
        first: String,
        /// The same in `phase`.
        second: String,
        /// The phase that disagrees.
        phase: String,
    },
    /// A temporary that no step touches.
    #[error("phase '{phase}': no step reads or writes '{name}'; leave it out of the graph")]
    Unused {
        /// Name.
        name: String,
        /// The phase that declares it.
        phase: String,
    },
    /// A step that breaks a rule of its operation; not of this planner's making.
    #[error("phase '{phase}': {op} {reason}")]
    Step {
        /// The phase.
        phase: String,
        /// Operation.
        op: &'static str,
        /// Which rule.
        reason: String,
    },
}

/// Plans the phases of a program over one set of slots.
///
/// Temporaries share slots within a phase and across phases (phases run one
/// after the other); persistent values get a slot of their own.
///
/// # Errors
/// When persistent values of one name differ between phases, or a temporary
/// is never used.
pub fn plan(graphs: &[Graph], options: PlanOptions) -> Result<Program, PlanError> {
    let mut slots = Vec::new();
    let mut persistent: HashMap<&str, (usize, &Value)> = HashMap::new();
    let mut temporaries: Vec<(usize, ValueId)> = Vec::new();
    let mut intervals: Vec<Interval> = Vec::new();
    let mut place: Vec<HashMap<ValueId, usize>> = vec![HashMap::new(); graphs.len()];

    let mut start = 0;
    for (phase, graph) in graphs.iter().enumerate() {
        let lives = lifetimes(graph);
        for (index, value) in graph.values.iter().enumerate() {
            let id = ValueId(index);
            if value.view_of.is_some() || value.role == Role::Parameter {
                continue;
            }
            let bytes = value_bytes(graph, id, options);
            if value.role.is_persistent() {
                let slot = match persistent.get(value.name.as_str()) {
                    Some(&(_, known)) if !alike(known, value) => {
                        return Err(PlanError::Mismatch {
                            name: value.name.clone(),
                            first: describe(known),
                            second: describe(value),
                            phase: graph.name.clone(),
                        });
                    }
                    Some(&(slot, _)) => slot,
                    None => {
                        slots.push(Slot {
                            bytes,
                            owner: Some(value.name.clone()),
                        });
                        persistent.insert(&value.name, (slots.len() - 1, value));
                        slots.len() - 1
                    }
                };
                place[phase].insert(id, slot);
            } else if let Some(&(first, last)) = lives.get(&id) {
                temporaries.push((phase, id));
                intervals.push(Interval {
                    first: start + first,
                    last: start + last,
                    bytes,
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

    let persistent_bytes = slots.iter().map(|slot| slot.bytes).sum();
    let (assignment, sizes) = assign_slots(&intervals);
    let base = slots.len();
    slots.extend(sizes.iter().map(|&bytes| Slot { bytes, owner: None }));
    for (&(phase, id), slot) in temporaries.iter().zip(assignment) {
        place[phase].insert(id, base + slot);
    }

    let phases = graphs
        .iter()
        .zip(&place)
        .map(|(graph, place)| place_phase(graph, place, options))
        .collect();
    Ok(Program {
        phases,
        slots,
        memory: MemoryReport {
            persistent_bytes,
            temporary_bytes: sizes.iter().sum(),
            largest_live_set: largest_live_set(&intervals),
            unshared_bytes: intervals.iter().map(|interval| interval.bytes).sum(),
        },
        options,
    })
}

/// Whether two values of one name can be one array.
fn alike(a: &Value, b: &Value) -> bool {
    (a.shape, a.element, &a.segments) == (b.shape, b.element, &b.segments)
}

fn describe(value: &Value) -> String {
    let kind = match value.element {
        Element::Full => "real numbers in f32",
        Element::Real => "real numbers",
        Element::Pixel => "pixels",
    };
    match value.segments.as_slice() {
        [_] => format!("{} of {kind}", value.shape),
        groups => format!("{} of {kind} in channel groups {groups:?}", value.shape),
    }
}

/// First and last node that touches each root value.
fn lifetimes(graph: &Graph) -> HashMap<ValueId, (usize, usize)> {
    let mut lives: HashMap<ValueId, (usize, usize)> = HashMap::new();
    for (step, node) in graph.nodes.iter().enumerate() {
        for &id in node.inputs.iter().chain(&node.outputs) {
            lives
                .entry(graph.root(id))
                .and_modify(|life| life.1 = step)
                .or_insert((step, step));
        }
    }
    lives
}

fn place_phase(graph: &Graph, place: &HashMap<ValueId, usize>, options: PlanOptions) -> Plan {
    let values = graph
        .values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let root = graph.root(ValueId(index));
            let storage = match place.get(&root) {
                Some(&slot) => {
                    let whole = graph.value(root);
                    let first = value.view_of.map_or(0, |(_, first)| first);
                    Storage::Slot {
                        slot,
                        channel_offset: stored_channels(&whole.segments[..first], options.layout),
                        channel_stride: stored_channels(&whole.segments, options.layout),
                    }
                }
                None => Storage::Parameter,
            };
            PlannedValue {
                name: value.name.clone(),
                shape: value.shape,
                segments: value.segments.clone(),
                role: value.role,
                element: value.element,
                precision: stored_precision(value.element, options),
                layout: options.layout,
                storage,
            }
        })
        .collect();
    let indices = |ids: &[ValueId]| ids.iter().map(|id| id.0).collect();
    let steps = graph
        .nodes
        .iter()
        .map(|node| Step {
            op: node.op.clone(),
            inputs: indices(&node.inputs),
            outputs: indices(&node.outputs),
        })
        .collect();
    Plan {
        name: graph.name.clone(),
        values,
        steps,
    }
}

fn stored_precision(element: Element, options: PlanOptions) -> Precision {
    match element {
        Element::Real => options.precision,
        Element::Full | Element::Pixel => Precision::F32,
    }
}

fn value_bytes(graph: &Graph, id: ValueId, options: PlanOptions) -> u64 {
    let value = graph.value(id);
    let channels = match value.element {
        Element::Pixel => 1,
        Element::Full | Element::Real => stored_channels(&value.segments, options.layout),
    };
    let elements = value.shape.n * channels * value.shape.pixels();
    (elements * element_bytes(value.element, stored_precision(value.element, options))) as u64
}
