//! Values that are computed again, and not kept, until gradients need them.

use super::{Graph, GraphBuilder, GraphError, Node, Role, ValueId};
use std::collections::{HashMap, HashSet};

type Result<T> = std::result::Result<T, GraphError>;

/// Which values of a graph are not kept, and those that were computed again.
#[derive(Default)]
pub(super) struct Recompute {
    nodes: Vec<Node>,
    /// Root values that only their own segment reads.
    dropped: HashSet<ValueId>,
    /// The node that writes each channel group.
    writers: HashMap<(ValueId, usize), usize>,
    /// The root values that take their places.
    copies: HashMap<ValueId, ValueId>,
    /// Nodes that ran again.
    done: HashSet<usize>,
    views: HashMap<ValueId, ValueId>,
}

impl Recompute {
    /// Divides a graph into so many segments, which write about as much each.
    pub fn new(graph: &Graph, segments: usize) -> Self {
        if segments <= 1 {
            return Self::default();
        }
        let elements = |node: &Node| -> usize {
            let outputs = node.outputs.iter();
            outputs.map(|&id| graph.value(id).shape.elements()).sum()
        };
        let total: usize = graph.nodes.iter().map(elements).sum();
        let mut so_far = 0;
        let segment_of: Vec<usize> = graph
            .nodes
            .iter()
            .map(|node| {
                let segment = so_far * segments / total.max(1);
                so_far += elements(node);
                segment
            })
            .collect();
        let last = segment_of.last().copied().unwrap_or(0);
        // The segment of each root value; none if several touch it.
        let mut own: HashMap<ValueId, Option<usize>> = HashMap::new();
        let mut writers = HashMap::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            for &id in node.inputs.iter().chain(&node.outputs) {
                let known = own.entry(graph.root(id)).or_insert(Some(segment_of[at]));
                if *known != Some(segment_of[at]) {
                    *known = None;
                }
            }
            let cells = node.outputs.iter().flat_map(|&id| graph.cells(id));
            writers.extend(cells.map(|cell| (cell, at)));
        }
        let is_dropped = |&(id, segment): &(ValueId, Option<usize>)| {
            let is_temporary = graph.value(id).role == Role::Temporary;
            is_temporary && segment.is_some_and(|segment| segment != last)
        };
        let dropped = own.into_iter().filter(is_dropped).map(|(id, _)| id);
        Self {
            dropped: dropped.collect(),
            nodes: graph.nodes.clone(),
            writers,
            ..Self::default()
        }
    }

    /// A value as it can be read now: itself if it was kept.
    pub fn fresh(&mut self, b: &mut GraphBuilder, id: ValueId) -> Result<ValueId> {
        if !self.dropped.contains(&b.graph().root(id)) {
            return Ok(id);
        }
        let cells: Vec<_> = b.graph().cells(id).collect();
        for cell in cells {
            if let Some(&writer) = self.writers.get(&cell) {
                self.run_again(b, writer)?;
            }
        }
        self.copy(b, id)
    }

    /// What stands for a dropped value.
    fn copy(&mut self, b: &mut GraphBuilder, id: ValueId) -> Result<ValueId> {
        if let Some(&known) = self.views.get(&id) {
            return Ok(known);
        }
        let root = b.graph().root(id);
        let copy = match self.copies.get(&root) {
            Some(&copy) => copy,
            None => {
                let name = format!("{} again", b.graph().value(root).name);
                let copy = b.temporary_like(&name, root)?;
                self.copies.insert(root, copy);
                copy
            }
        };
        let value = b.graph().value(id).clone();
        let made = match value.view_of {
            Some((_, first)) => {
                let name = format!("{} again", value.name);
                b.segments(&name, copy, first, value.segments.len())?
            }
            None => copy,
        };
        self.views.insert(id, made);
        Ok(made)
    }

    fn run_again(&mut self, b: &mut GraphBuilder, at: usize) -> Result<()> {
        if !self.done.insert(at) {
            return Ok(());
        }
        let node = self.nodes[at].clone();
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &id in &node.inputs {
            inputs.push(self.fresh(b, id)?);
        }
        let mut outputs = Vec::with_capacity(node.outputs.len());
        for &id in &node.outputs {
            outputs.push(self.copy(b, id)?);
        }
        b.push_into(&outputs, node.op, &inputs)
    }
}
