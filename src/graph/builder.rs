//! Builds graphs, checking every shape on the way.

use super::{Element, Graph, GraphError, Node, Role, Shape, Value, ValueId};
use crate::ops::Op;
use std::collections::{HashMap, HashSet};

type Result<T, E = GraphError> = std::result::Result<T, E>;

/// Builds one [`Graph`].
///
/// An operation either makes a new temporary ([`push`](Self::push)) or writes
/// into a value made before ([`push_into`](Self::push_into)): that is how a
/// concatenation costs nothing. Make the concatenation first, and let its
/// parts be written through [`segments`](Self::segments) views of it.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    ids: HashMap<String, ValueId>,
    /// Channel groups that hold data, for the read-before-write check.
    written: HashSet<(ValueId, usize)>,
}

impl GraphBuilder {
    pub fn new(name: &str) -> Self {
        let mut builder = Self::default();
        name.clone_into(&mut builder.graph.name);
        builder
    }

    /// Adds a value. A state that is there already is given again: one part of a
    /// graph may write what another reads.
    ///
    /// # Errors
    /// When the name is taken by another value.
    pub fn value(
        &mut self,
        name: &str,
        shape: Shape,
        role: Role,
        element: Element,
    ) -> Result<ValueId> {
        self.add(Value {
            name: name.to_owned(),
            shape,
            role,
            element,
            segments: vec![shape.c],
            view_of: None,
        })
    }

    fn add(&mut self, value: Value) -> Result<ValueId> {
        let id = ValueId(self.graph.values.len());
        if let Some(&known) = self.ids.get(&value.name) {
            if value.role == Role::State && *self.graph.value(known) == value {
                return Ok(known);
            }
            return Err(GraphError::DuplicateName {
                graph: self.graph.name.clone(),
                name: value.name,
            });
        }
        self.ids.insert(value.name.clone(), id);
        self.graph.values.push(value);
        Ok(id)
    }

    /// Adds a weight. A weight that several nodes read is added once: asking
    /// again for the same name and shape gives the same value.
    ///
    /// # Errors
    /// When the name is taken by a value of another shape or role.
    pub fn parameter(&mut self, name: &str, shape: Shape) -> Result<ValueId> {
        match self.ids.get(name).map(|&id| (id, self.graph.value(id))) {
            Some((id, known)) if known.role == Role::Parameter && known.shape == shape => Ok(id),
            _ => self.value(name, shape, Role::Parameter, Element::Float),
        }
    }

    /// Adds a value made of several channel groups: the concatenation of
    /// values of `segments[i]` channels each.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn concat(
        &mut self,
        name: &str,
        shape: Shape,
        role: Role,
        segments: &[usize],
    ) -> Result<ValueId> {
        assert_eq!(
            segments.iter().sum::<usize>(),
            shape.c,
            "concat '{name}' {shape}: segments {segments:?} do not add up"
        );
        self.add(Value {
            name: name.to_owned(),
            shape,
            role,
            element: Element::Float,
            segments: segments.to_vec(),
            view_of: None,
        })
    }

    /// A view of `count` channel groups of a concatenation, from group `first`.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn segments(
        &mut self,
        name: &str,
        of: ValueId,
        first: usize,
        count: usize,
    ) -> Result<ValueId> {
        let parent = self.graph.value(of);
        assert!(
            parent.view_of.is_none() && first + count <= parent.segments.len(),
            "view '{name}': groups {first}..{} of '{}', which has {} and must not be a view",
            first + count,
            parent.name,
            parent.segments.len()
        );
        let segments = parent.segments[first..first + count].to_vec();
        let shape = parent.shape.with_channels(segments.iter().sum());
        let (role, element) = (parent.role, parent.element);
        self.add(Value {
            name: name.to_owned(),
            shape,
            role,
            element,
            segments,
            view_of: Some((of, first)),
        })
    }

    /// Appends an operation whose results are new temporaries; the first one
    /// is named `name` and returned.
    ///
    /// # Errors
    /// When the operand shapes do not fit, or an operand was never written.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        let shapes = self.infer(name, &op, inputs)?;
        let result = self.value(name, shapes[0], Role::Temporary, op.result_element())?;
        self.finish(op, inputs, &[result])?;
        Ok(result)
    }

    /// Appends an operation whose results are written into `into`.
    ///
    /// # Errors
    /// When the operand shapes or the shapes of `into` do not fit, an operand
    /// was never written, or `into` holds inputs, weights or operands (but
    /// those that the operation updates in place).
    pub fn push_into(&mut self, into: &[ValueId], op: Op, inputs: &[ValueId]) -> Result<()> {
        let name = self.graph.value(into[0]).name.clone();
        let shapes = self.infer(&name, &op, inputs)?;
        for (&id, &shape) in into.iter().zip(&shapes) {
            if self.shape(id) != shape {
                return Err(GraphError::Shape {
                    op: op.name(),
                    name: self.graph.value(id).name.clone(),
                    reason: format!(
                        "gives {shape}, but is to be written into {}",
                        self.shape(id)
                    ),
                });
            }
        }
        self.finish(op, inputs, into)
    }

    /// Adds a temporary of the shape, channel groups and accuracy of another value.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn temporary_like(&mut self, name: &str, id: ValueId) -> Result<ValueId> {
        self.add(Value {
            name: name.to_owned(),
            role: Role::Temporary,
            view_of: None,
            ..self.graph.value(id).clone()
        })
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn shape(&self, id: ValueId) -> Shape {
        self.graph.value(id).shape
    }

    pub fn build(self) -> Graph {
        self.graph
    }

    fn infer(&self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<Vec<Shape>> {
        if let Some(&id) = inputs.iter().find(|&&id| !self.is_written(id)) {
            let name = &self.graph.value(id).name;
            let reason = format!("reads '{name}' before anything has written it");
            return Err(self.wrong_access(op, reason));
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&id| self.shape(id)).collect();
        op.infer(&shapes).map_err(|reason| GraphError::Shape {
            op: op.name(),
            name: name.to_owned(),
            reason,
        })
    }

    /// Results must be writable, and must not lie over operands unless the
    /// operation updates these in place.
    fn finish(&mut self, op: Op, inputs: &[ValueId], outputs: &[ValueId]) -> Result<()> {
        let graph = &self.graph;
        let name = |id: ValueId| &graph.value(id).name;
        let writes = |what: String| {
            let reason = format!("writes {what}; give it a result of its own");
            self.wrong_access(&op, reason)
        };
        let read_only = [Role::Input, Role::Parameter, Role::Packed];
        let mut ids = outputs.iter();
        if let Some(&id) = ids.find(|&&id| read_only.contains(&graph.value(id).role)) {
            let what = format!("'{}', which is an input or a weight", name(id));
            return Err(writes(what));
        }
        let clash = find_clash(&op, inputs, outputs, PartialEq::eq, |a, b| {
            graph.overlap(*a, *b)
        });
        if let Some((&result, &other)) = clash {
            let (result, other) = (name(result), name(other));
            let what = format!("'{result}' over '{other}', which the same step uses");
            return Err(writes(what));
        }
        for &id in outputs {
            self.written.extend(graph.cells(id));
        }
        self.graph.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
        });
        Ok(())
    }

    fn wrong_access(&self, op: &Op, reason: String) -> GraphError {
        GraphError::Access {
            graph: self.graph.name.clone(),
            op: op.name(),
            reason,
        }
    }

    fn is_written(&self, id: ValueId) -> bool {
        match self.graph.value(id).role {
            Role::Input | Role::State | Role::Parameter | Role::Packed => true,
            Role::Output | Role::Temporary => {
                let mut cells = self.graph.cells(id);
                cells.all(|cell| self.written.contains(&cell))
            }
        }
    }
}

/// The first result that lies over an operand or over another result, with
/// that; results may only take the place (be the `same`) of the operands that
/// the operation updates in place.
pub(crate) fn find_clash<'a, T>(
    op: &Op,
    inputs: &'a [T],
    outputs: &'a [T],
    same: impl Fn(&T, &T) -> bool,
    overlap: impl Fn(&T, &T) -> bool,
) -> Option<(&'a T, &'a T)> {
    outputs.iter().enumerate().find_map(|(at, output)| {
        let updated = op.in_place().iter().find(|(result, _)| *result == at);
        let is_updated = |(operand, input): &(usize, &T)| {
            updated.is_some_and(|(_, o)| o == operand) && same(input, output)
        };
        let operands = inputs.iter().enumerate().filter(|pair| !is_updated(pair));
        let mut others = operands.map(|(_, input)| input).chain(&outputs[..at]);
        Some((output, others.find(|other| overlap(output, other))?))
    })
}
