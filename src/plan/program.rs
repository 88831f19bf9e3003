//! Programs: nodes over values that have a place in memory.

use super::{Format, KernelNode, MemoryReport, Precision};
use crate::graph::{Role, Shape};
use crate::ops::Packing;
use serde::{Deserialize, Serialize};

/// A value with its format and its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedValue {
    pub name: String,
    pub shape: Shape,
    pub segments: Vec<usize>,
    pub role: Role,
    pub format: Format,
    /// How its elements are ordered, if it is a packed weight.
    pub packing: Option<Packing>,
    /// Index into [`Program::slots`].
    pub slot: usize,
    /// First channel (padding counted) inside the array in the slot.
    pub channel_offset: usize,
    /// Channels (padding counted) of the array in the slot.
    pub channel_stride: usize,
}

impl PlannedValue {
    /// Channels with the padding of each group counted.
    pub fn stored_channels(&self) -> usize {
        self.format.layout.stored_channels(&self.segments)
    }

    /// The stored channel of each logical channel, from the value's first one.
    pub fn channel_map(&self) -> Vec<usize> {
        let alignment = self.format.layout.channel_alignment();
        let mut map = Vec::with_capacity(self.shape.c);
        let mut start = 0;
        for &channels in &self.segments {
            map.extend(start..start + channels);
            start += channels.next_multiple_of(alignment);
        }
        map
    }

    /// Bytes of the array that the value lies in, up to its last element.
    pub fn array_bytes(&self) -> u64 {
        let elements = match &self.packing {
            Some(packing) => packing.elements(),
            None => self.shape.n * self.channel_stride * self.shape.pixels(),
        };
        (elements * self.format.precision.bytes()) as u64
    }

    pub fn is_part(&self) -> bool {
        self.channel_stride != self.stored_channels()
    }

    /// Whether two values share memory.
    pub fn overlaps(&self, other: &Self) -> bool {
        let end = |value: &Self| value.channel_offset + value.stored_channels();
        let apart = end(self) <= other.channel_offset || end(other) <= self.channel_offset;
        // Channel ranges are ranges of memory in arrays of one kind alone.
        let kind = |v: &Self| (v.channel_stride, v.format, v.shape.h, v.shape.w);
        let alike = kind(self) == kind(other) && self.packing.is_none() && other.packing.is_none();
        self.slot == other.slot && !(alike && apart)
    }

    /// Whether two values are the same elements of the same array.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let channels = |v: &Self| (v.channel_offset, v.channel_stride);
        let place = |v: &Self| (v.slot, channels(v), v.shape, v.format);
        place(self) == place(other)
    }
}

/// A node of a phase; operands are indices into [`Phase::values`].
pub type PlannedNode = KernelNode<usize>;

/// A list of nodes over placed values, which run one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub values: Vec<PlannedValue>,
    pub nodes: Vec<PlannedNode>,
}

impl Phase {
    pub(super) fn shapes(&self, ids: &[usize]) -> Vec<Shape> {
        ids.iter().map(|&id| self.values[id].shape).collect()
    }

    pub fn node_flops(&self, node: &PlannedNode) -> u64 {
        let (inputs, outputs) = (self.shapes(&node.inputs), self.shapes(&node.outputs));
        node.op.flops(&inputs, &outputs)
    }

    pub fn flops(&self) -> u64 {
        self.nodes.iter().map(|node| self.node_flops(node)).sum()
    }

    /// Bytes that a node reads and writes if it touches every element of its
    /// operands and results once.
    pub fn node_bytes(&self, node: &PlannedNode) -> u64 {
        let ids = node.inputs.iter().chain(&node.outputs);
        let values = ids.map(|&id| &self.values[id]);
        let bytes = values.map(|value| value.shape.elements() * value.format.precision.bytes());
        bytes.sum::<usize>() as u64
    }

    pub fn find(&self, name: &str) -> Option<&PlannedValue> {
        self.values.iter().find(|value| value.name == name)
    }
}

/// A table of which an operation adds a row to each element of a batch; step
/// records choose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeTable {
    pub batch: usize,
    pub rows: usize,
}

/// What a slot is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Temporaries,
    /// The persistent value of this name.
    Value(String),
    /// The packed parameter of this name.
    Packed(String),
    /// The threads' scratch memory, in equal parts.
    Threads,
}

impl Owner {
    /// The name of the value that owns it, or what it is for.
    pub fn name(&self) -> &str {
        match self {
            Owner::Temporaries => "temporaries",
            Owner::Value(name) | Owner::Packed(name) => name,
            Owner::Threads => "threads",
        }
    }
}

/// A piece of memory that is allocated by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Size, a multiple of [`SLOT_ALIGNMENT`](super::SLOT_ALIGNMENT).
    pub bytes: u64,
    pub owner: Owner,
}

/// The phases over one set of slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub phases: Vec<Phase>,
    pub slots: Vec<Slot>,
    pub memory: MemoryReport,
    /// Threads that share the slot of [`Owner::Threads`].
    pub threads: usize,
    /// How feature maps and weights are stored.
    pub precision: Precision,
}

impl Program {
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Finds an input, state or output by name.
    pub fn find_persistent(&self, name: &str) -> Option<&PlannedValue> {
        let mut values = self.phases.iter().filter_map(|phase| phase.find(name));
        values.find(|value| value.role.is_persistent() && value.role != Role::Packed)
    }

    /// The tables that step records choose rows of, each kind once.
    pub fn time_tables(&self) -> Vec<TimeTable> {
        let mut tables = Vec::new();
        for phase in &self.phases {
            for node in &phase.nodes {
                let Some((epilogue, first)) = node.op.epilogue() else {
                    continue;
                };
                if epilogue.table_add {
                    let table = TimeTable {
                        batch: phase.values[node.outputs[0]].shape.n,
                        rows: phase.values[node.inputs[first]].shape.n,
                    };
                    if !tables.contains(&table) {
                        tables.push(table);
                    }
                }
            }
        }
        tables
    }
}
