//! Plans and programs: steps over values that have a place in memory.

use super::{Element, MemoryReport, Role, Shape};
use crate::ops::Op;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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

    /// Memory of all weights, without what a kernel's packing may add.
    pub fn weight_bytes(&self) -> u64 {
        let mut weights = HashMap::new();
        for value in self.phases.iter().flat_map(|phase| &phase.values) {
            if value.role == Role::Parameter {
                let bytes = value.shape.elements() * value.precision.bytes();
                weights.insert(&value.name, bytes as u64);
            }
        }
        weights.values().sum()
    }
}

/// Channels of groups of these sizes with the padding of each counted.
pub(super) fn stored_channels(segments: &[usize], layout: Layout) -> usize {
    segments
        .iter()
        .map(|channels| channels.next_multiple_of(layout.channel_alignment()))
        .sum()
}

/// Bytes of one element; a pixel is one.
pub(super) fn element_bytes(element: Element, precision: Precision) -> usize {
    match element {
        Element::Pixel => 4,
        Element::Full | Element::Real => precision.bytes(),
    }
}
