//! From graphs to a program: every value gets a place in memory.

use super::memory::{Interval, MemoryReport, assign_slots, largest_live_set};
use super::{Element, Graph, Role, Shape, ValueId};
use crate::ops::Op;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use thiserror::Error;

/// How the elements of a value lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// `[n][h][w][channels]`: what matrix products over pixels like.
    ChannelsLast,
    /// `[n][channels / 4][h][w][4]`: what vec4 loads and neighbouring threads
    /// like. Every channel group is padded to a multiple of 4 with zeros.
    ChannelBlocks4,
}

impl Layout {
    /// Channels to which each channel group is padded.
    pub fn channel_alignment(self) -> usize {
        match self {
            Layout::ChannelsLast => 1,
            Layout::ChannelBlocks4 => 4,
        }
    }
}

/// How one element is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point; arithmetic stays in 32.
    F16,
}

impl Precision {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Precision::F32 => 4,
            Precision::F16 => 2,
        }
    }
}

/// What an executor asks of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Layout of all values.
    pub layout: Layout,
    /// Storage of values and weights that need not be in f32.
    pub precision: Precision,
}

/// Where a planned value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storage {
    /// In a slot of the program.
    Slot {
        /// Index into [`Program::slots`].
        slot: usize,
        /// First channel (padding counted) inside the array in the slot.
        channel_offset: usize,
        /// Channels (padding counted) of the array in the slot.
        channel_stride: usize,
    },
    /// A weight, held by the executor in the form that its kernel wants.
    Parameter,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedValue {
    /// Name, as in the graph.
    pub name: String,
    /// Logical shape.
    pub shape: Shape,
    /// Sizes of its channel groups.
    pub segments: Vec<usize>,
    /// What it is to the world outside.
    pub role: Role,
    /// Element kind.
    pub element: Element,
    /// How real elements are stored.
    pub precision: Precision,
    /// How elements lie in memory.
    pub layout: Layout,
    /// Where.
    pub storage: Storage,
}

impl PlannedValue {
    /// Channels with the padding of each group counted.
    pub fn stored_channels(&self) -> usize {
        stored_channels(&self.segments, self.layout)
    }

    /// The stored channel of each logical channel.
    pub fn channel_map(&self) -> Vec<usize> {
        let alignment = self.layout.channel_alignment();
        let mut map = Vec::with_capacity(self.shape.c);
        let mut start = 0;
        for &channels in &self.segments {
            map.extend(start..start + channels);
            start += channels.next_multiple_of(alignment);
        }
        map
    }

    /// Slot, channel offset and channel stride of a value that is no weight.
    pub fn place(&self) -> (usize, usize, usize) {
        match self.storage {
            Storage::Slot {
                slot,
                channel_offset,
                channel_stride,
            } => (slot, channel_offset, channel_stride),
            Storage::Parameter => panic!("weight '{}' has no slot", self.name),
        }
    }
}

/// One operation of a plan; operands are indices into [`Plan::values`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<usize>,
    /// Results.
    pub outputs: Vec<usize>,
}

/// One phase: a list of steps over placed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the phase.
    pub name: String,
    /// Values.
    pub values: Vec<PlannedValue>,
    /// Steps, in the order they run.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Floating-point operations of one step.
    pub fn step_flops(&self, step: &Step) -> u64 {
        let shapes =
            |ids: &[usize]| -> Vec<Shape> { ids.iter().map(|&id| self.values[id].shape).collect() };
        step.op.flops(&shapes(&step.inputs), &shapes(&step.outputs))
    }

    /// Floating-point operations of the whole phase.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|step| self.step_flops(step)).sum()
    }

    /// Bytes that one step reads and writes if it touches every element of
    /// its operands and results once.
    pub fn step_bytes(&self, step: &Step) -> u64 {
        step.inputs
            .iter()
            .chain(&step.outputs)
            .map(|&id| {
                let value = &self.values[id];
                (value.shape.elements() * element_bytes(value.element, value.precision)) as u64
            })
            .sum()
    }

    /// Finds a value by name.
    pub fn find(&self, name: &str) -> Option<&PlannedValue> {
        self.values.iter().find(|value| value.name == name)
    }
}

/// A piece of memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Size.
    pub bytes: u64,
    /// The name of the persistent value that owns it; none if temporaries share it.
    pub owner: Option<String>,
}

/// The plans of all phases over one set of slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Phases.
    pub phases: Vec<Plan>,
    /// Memory.
    pub slots: Vec<Slot>,
    /// What the memory amounts to.
    pub memory: MemoryReport,
    /// What was asked for.
    pub options: PlanOptions,
}

impl Program {
    /// Index of a phase.
    pub fn phase(&self, name: &str) -> Option<usize> {
        self.phases.iter().position(|phase| phase.name == name)
    }

    /// Finds a value that keeps its memory after its phase, by name.
    pub fn find_persistent(&self, name: &str) -> Option<&PlannedValue> {
        self.phases
            .iter()
            .filter_map(|phase| phase.find(name))
            .find(|value| value.role.is_persistent())
    }

    /// Memory of all slots.
    pub fn slot_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.bytes).sum()
    }
}

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
        /// Shape where it was met first.
        first: Shape,
        /// Shape in `phase`.
        second: Shape,
        /// The phase that disagrees.
        phase: String,
    },
}

/// Plans the phases of a program over one set of slots.
///
/// Temporaries share slots within a phase and across phases (phases run one
/// after the other); persistent values get a slot of their own.
///
/// # Errors
/// When persistent values of one name differ between phases.
pub fn plan(graphs: &[Graph], options: PlanOptions) -> Result<Program, PlanError> {
    let mut slots = Vec::new();
    let mut persistent: HashMap<String, (usize, Shape)> = HashMap::new();
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
                let slot = match persistent.get(&value.name) {
                    Some(&(_, shape)) if shape != value.shape => {
                        return Err(PlanError::Mismatch {
                            name: value.name.clone(),
                            first: shape,
                            second: value.shape,
                            phase: graph.name.clone(),
                        });
                    }
                    Some(&(slot, _)) => slot,
                    None => {
                        slots.push(Slot {
                            bytes,
                            owner: Some(value.name.clone()),
                        });
                        persistent.insert(value.name.clone(), (slots.len() - 1, value.shape));
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

fn stored_channels(segments: &[usize], layout: Layout) -> usize {
    segments
        .iter()
        .map(|channels| channels.next_multiple_of(layout.channel_alignment()))
        .sum()
}

fn stored_precision(element: Element, options: PlanOptions) -> Precision {
    match element {
        Element::Real => options.precision,
        Element::Full | Element::Pixel => Precision::F32,
    }
}

fn element_bytes(element: Element, precision: Precision) -> usize {
    match element {
        Element::Pixel => 4,
        Element::Full | Element::Real => precision.bytes(),
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
