//! Runs a program on tags in place of numbers: each write leaves its tag in
//! the channels it covers, each read must find the tags that the graph says it
//! reads, wherever they have been converted to meanwhile.

use super::checker::Planned;
use super::places::{alignment, root};
use srdiff::graph::{Graph, Node, Role, ValueId};
use srdiff::ops::{Op, Packing};
use srdiff::plan::{Owner, PACK, PlannedNode, PlannedValue};
use std::collections::{BTreeMap, HashMap};

/// A name for an array: persistent ones are the same in every phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Array {
    phase: String,
    name: String,
}

impl Array {
    fn new(phase: &str, role: Role, name: &str) -> Self {
        let phase = if role.is_persistent() { "" } else { phase };
        Self {
            phase: phase.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// Which array a slot holds, and which write filled each of its channels.
#[derive(Default)]
struct Contents {
    array: Option<Array>,
    channels: BTreeMap<usize, u64>,
}

/// A packed weight that has been written.
struct Packed {
    tensor: String,
    packing: Packing,
    tag: u64,
}

struct Run<'a> {
    planned: &'a Planned,
    faults: &'a mut Vec<String>,
    slots: Vec<Contents>,
    /// What the graphs mean: the last write of each group of each array.
    meant: HashMap<(Array, usize), u64>,
    packed: HashMap<String, Packed>,
    last_tag: u64,
}

/// Runs phases in this order; see [`Planned::faults`].
pub fn check_contents(
    planned: &Planned,
    order: &[&str],
    unwritten: &[&str],
    faults: &mut Vec<String>,
) {
    let mut slots = Vec::new();
    slots.resize_with(planned.program.slots.len(), Contents::default);
    let mut run = Run {
        planned,
        faults,
        slots,
        meant: HashMap::new(),
        packed: HashMap::new(),
        last_tag: 0,
    };
    for name in unwritten {
        run.host_writes_first(name);
    }
    for name in order {
        let mut phases = planned.program.phases.iter();
        let phase = phases.position(|phase| phase.name == *name).expect(name);
        match *name == PACK {
            true => run.pack(),
            false => run.phase(phase),
        }
    }
}

impl Run<'_> {
    fn tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    fn value(&self, phase: usize, index: usize) -> &PlannedValue {
        &self.planned.program.phases[phase].values[index]
    }

    /// The array that a value of the program lies in.
    fn array(&self, phase: usize, index: usize) -> Array {
        let graph = &self.planned.chosen[phase];
        let root = &graph.values[root(graph, ValueId(index)).0];
        Array::new(&graph.name, root.role, &root.name)
    }

    /// Leaves tags in the channels of a value.
    fn write(&mut self, phase: usize, index: usize, tags: &[u64]) {
        let (array, value) = (self.array(phase, index), self.value(phase, index));
        let (slot, name) = (value.slot, value.name.clone());
        let positions = positions(value);
        if self.slots[slot].array.as_ref() != Some(&array) {
            match &self.planned.program.slots[slot].owner {
                Owner::Value(owner) | Owner::Packed(owner) if *owner != array.name => {
                    self.faults.push(format!("'{name}' overwrites '{owner}'"));
                }
                _ => {}
            }
            self.slots[slot] = Contents {
                array: Some(array),
                channels: BTreeMap::new(),
            };
        }
        let written = positions.into_iter().zip(tags.iter().copied());
        self.slots[slot].channels.extend(written);
    }

    /// The tags in the channels of a value; none where other things are.
    fn read(&self, phase: usize, index: usize) -> Vec<Option<u64>> {
        let (array, value) = (self.array(phase, index), self.value(phase, index));
        let held = &self.slots[value.slot];
        let is_there = held.array.as_ref() == Some(&array);
        let tag = |at: usize| held.channels.get(&at).copied().filter(|_| is_there);
        positions(value).into_iter().map(tag).collect()
    }

    /// What a value of a graph holds, channel by channel.
    fn meant(&self, graph: &Graph, id: ValueId) -> Vec<Option<u64>> {
        let tag = |key: (Array, usize)| self.meant.get(&key).copied();
        let groups = groups(graph, id).into_iter();
        groups
            .flat_map(|(key, channels)| vec![tag(key); channels])
            .collect()
    }

    /// Gives every group of a value of a graph a new tag.
    fn mean(&mut self, graph: &Graph, id: ValueId) -> Vec<u64> {
        let mut tags = Vec::new();
        for (key, channels) in groups(graph, id) {
            let tag = self.tag();
            self.meant.insert(key, tag);
            tags.extend(vec![tag; channels]);
        }
        tags
    }

    /// The host writes a value of a graph, if the phase knows it.
    fn host_writes(&mut self, phase: usize, id: ValueId) {
        let graph = &self.planned.graphs[phase - 1];
        let values = &self.planned.program.phases[phase].values;
        let name = &graph.value(id).name;
        if let Some(index) = values.iter().position(|value| value.name == *name) {
            let tags = self.mean(graph, id);
            self.write(phase, index, &tags);
        }
    }

    /// The host writes a state before anything runs.
    fn host_writes_first(&mut self, name: &str) {
        let graphs = self.planned.graphs.iter().enumerate();
        let mut found = graphs.filter_map(|(at, graph)| Some((at + 1, graph.find(name)?)));
        if let Some((phase, id)) = found.next() {
            self.host_writes(phase, id);
        }
    }

    fn pack(&mut self) {
        let phase = &self.planned.program.phases[0];
        let mut written: Vec<usize> = Vec::new();
        for node in &phase.nodes {
            let (&[plain], &[packed], Op::Pack(op)) =
                (&node.inputs[..], &node.outputs[..], &node.op)
            else {
                self.faults.push(format!("PACK has {:?}", node.op));
                continue;
            };
            let tensor = self.value(0, plain).clone();
            let first = self.slots[tensor.slot].array.is_none();
            // A tensor that keeps no memory is written before it is packed.
            if tensor.role == Role::Parameter || first {
                let tag = self.tag();
                self.meant.insert((self.array(0, plain), 0), tag);
                self.write(0, plain, &vec![tag; tensor.shape.c]);
            }
            let expected = self.meant.get(&(self.array(0, plain), 0)).copied();
            if self.read(0, plain).iter().any(|&tag| tag != expected) {
                let name = &tensor.name;
                self.faults
                    .push(format!("PACK reads '{name}' where it is not"));
            }
            let value = self.value(0, packed).clone();
            if value.packing.as_ref() != Some(&op.packing) || written.contains(&packed) {
                self.faults
                    .push(format!("'{}' is packed {}", value.name, op.packing));
            }
            written.push(packed);
            let tag = self.tag();
            self.write(0, packed, &vec![tag; value.shape.c]);
            let entry = Packed {
                tensor: tensor.name,
                packing: op.packing.clone(),
                tag,
            };
            self.packed.insert(value.name, entry);
        }
    }

    fn phase(&mut self, phase: usize) {
        let planned = self.planned;
        let graph = &planned.graphs[phase - 1];
        // Temporaries of an earlier run hold nothing that may be read.
        self.meant.retain(|(array, _), _| array.phase.is_empty());
        for index in 0..graph.values.len() {
            let value = &graph.values[index];
            if value.role == Role::Input && value.view_of.is_none() {
                self.host_writes(phase, ValueId(index));
            }
        }
        let mut sources = graph.nodes.iter();
        for (at, node) in planned.program.phases[phase].nodes.iter().enumerate() {
            // Kernels may fill what they work in before they read anything.
            for &id in &node.scratch {
                let tag = self.tag();
                self.write(phase, id, &vec![tag; self.value(phase, id).shape.c]);
            }
            if let Op::Convert(_) = node.op {
                self.convert(phase, at, node);
            } else if let Some(source) = sources.next() {
                self.node(phase, at, node, source);
            }
        }
        self.check_kept(phase);
    }

    fn convert(&mut self, phase: usize, at: usize, node: &PlannedNode) {
        let tags: Option<Vec<u64>> = self.read(phase, node.inputs[0]).into_iter().collect();
        match tags {
            Some(tags) => self.write(phase, node.outputs[0], &tags),
            None => {
                let name = self.value(phase, node.inputs[0]).name.clone();
                self.faults
                    .push(format!("node {at} converts '{name}' where it is not"));
            }
        }
    }

    fn node(&mut self, phase: usize, at: usize, node: &PlannedNode, source: &Node) {
        let graph = &self.planned.graphs[phase - 1];
        for (&id, &index) in source.inputs.iter().zip(&node.inputs) {
            let sound = match graph.value(id).role {
                Role::Parameter => self.is_packed(&graph.value(id).name, phase, index),
                _ => {
                    let (meant, found) = (self.meant(graph, id), self.read(phase, index));
                    meant == found && meant.iter().all(Option::is_some)
                }
            };
            if !sound {
                let value = self.value(phase, index);
                self.faults.push(format!(
                    "phase '{}' node {at}: {} reads '{}' as '{}' from slot {}, which holds {:?}",
                    graph.name,
                    node.op.name(),
                    graph.value(id).name,
                    value.name,
                    value.slot,
                    self.slots[value.slot].array
                ));
            }
        }
        for (&id, &index) in source.outputs.iter().zip(&node.outputs) {
            let tags = self.mean(graph, id);
            self.write(phase, index, &tags);
        }
    }

    /// Whether a value of the program is the tensor, packed as it says.
    fn is_packed(&self, tensor: &str, phase: usize, index: usize) -> bool {
        let value = self.value(phase, index);
        let Some(packed) = self.packed.get(&value.name) else {
            return false;
        };
        packed.tensor == tensor
            && value.packing.as_ref() == Some(&packed.packing)
            && self
                .read(phase, index)
                .iter()
                .all(|&tag| tag == Some(packed.tag))
    }

    /// After a phase, what lives on is where others look for it.
    fn check_kept(&mut self, phase: usize) {
        let graph = &self.planned.graphs[phase - 1];
        let values = &self.planned.program.phases[phase].values;
        for (index, value) in values.iter().enumerate() {
            if !value.role.is_persistent() || value.role == Role::Packed {
                continue;
            }
            let id = graph.find(&value.name).expect("values live on by name");
            let meant = self.meant(graph, id);
            let found = self.read(phase, index);
            if meant.iter().zip(&found).any(|(m, f)| m.is_some() && m != f) {
                self.faults.push(format!(
                    "after phase '{}', '{}' is not in slot {}",
                    graph.name, value.name, value.slot
                ));
            }
        }
    }
}

/// The groups of its array that a value covers, with their channels.
fn groups(graph: &Graph, id: ValueId) -> Vec<((Array, usize), usize)> {
    let value = graph.value(id);
    let (root, first) = value.view_of.unwrap_or((id, 0));
    let root = graph.value(root);
    let array = Array::new(&graph.name, root.role, &root.name);
    let groups = value.segments.iter().enumerate();
    groups
        .map(|(at, &channels)| ((array.clone(), first + at), channels))
        .collect()
}

/// The channel of the slot that each logical channel takes.
fn positions(value: &PlannedValue) -> Vec<usize> {
    let (mut at, mut positions) = (value.channel_offset, Vec::new());
    for &channels in &value.segments {
        positions.extend(at..at + channels);
        at += channels.next_multiple_of(alignment(value));
    }
    positions
}
