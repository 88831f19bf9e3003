//! Reverse-mode differentiation: a graph's gradient as more operations of the
//! same graph.

mod rules;

use super::recompute::Recompute;
use super::{Element, Graph, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{Accumulate, Op, Pointwise};
use std::collections::{HashMap, HashSet};

type Result<T, E = GraphError> = std::result::Result<T, E>;

/// The name of the state that holds a parameter's gradient, of its shape.
pub fn gradient_name(parameter: &str) -> String {
    format!("gradient.{parameter}")
}

/// The value that another is the gradient of, or a part of it, by their names.
pub(crate) fn differentiated(gradient: &str) -> Option<&str> {
    Some(gradient.split_once(OF_VALUE)?.0)
}

/// Between the name of a value and the number of one of its gradients.
const OF_VALUE: &str = " gradient ";

/// What becomes of the gradients of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// They are written over what stood there.
    New,
    /// They are added to it.
    Added,
}

/// How a graph is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differentiation {
    pub gradients: Gradients,
    /// In how many segments the graph is divided, at least 1: of all but the last,
    /// only what later ones read is kept, and the rest is computed again when
    /// their gradients are. The more segments, the less memory is needed.
    pub segments: usize,
}

/// Appends the operations that compute the gradients of the parameters that are
/// `wanted`, each into the state [`gradient_name`], and returns their names.
///
/// `seeds` are values with the gradients that they have by themselves, for
/// example that of a loss. Values are expected to be written once, and
/// operations not to be fused: [`fuse`](super::fuse) can do so afterwards.
///
/// # Errors
/// When an operation on the way has no gradient.
pub fn differentiate(
    b: &mut GraphBuilder,
    seeds: &[(ValueId, ValueId)],
    wanted: &dyn Fn(&str) -> bool,
    options: Differentiation,
) -> Result<Vec<String>> {
    let nodes = b.graph().nodes.clone();
    let mut backward = Backward {
        depends: depending(b.graph(), wanted),
        recompute: Recompute::new(b.graph(), options.segments),
        b,
        wanted,
        mode: options.gradients,
        parts: HashMap::new(),
        views: HashMap::new(),
        done: Vec::new(),
        names: 0,
    };
    for &(value, gradient) in seeds {
        backward.add(value, gradient, 1.0)?;
    }
    for node in nodes.iter().rev() {
        backward.node(node)?;
    }
    Ok(backward.done)
}

/// A channel group of a root value.
type Cell = (ValueId, usize);

/// All that depends on the wanted parameters, and these.
fn depending(graph: &Graph, wanted: &dyn Fn(&str) -> bool) -> HashSet<Cell> {
    let parameters = graph
        .values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.role == Role::Parameter && wanted(&value.name));
    let mut cells: HashSet<Cell> = parameters
        .flat_map(|(index, _)| graph.cells(ValueId(index)))
        .collect();
    for node in &graph.nodes {
        let mut inputs = node.inputs.iter().flat_map(|&id| graph.cells(id));
        if inputs.any(|cell| cells.contains(&cell)) {
            cells.extend(node.outputs.iter().flat_map(|&id| graph.cells(id)));
        }
    }
    cells
}

/// Where the gradient of a channel group is: `scale` times a group of a value.
#[derive(Clone, Copy, PartialEq)]
struct Part {
    value: ValueId,
    group: usize,
    scale: f32,
}

impl Part {
    fn after(self, groups: usize) -> Self {
        Self {
            group: self.group + groups,
            ..self
        }
    }
}

struct Backward<'a> {
    b: &'a mut GraphBuilder,
    wanted: &'a dyn Fn(&str) -> bool,
    mode: Gradients,
    depends: HashSet<Cell>,
    recompute: Recompute,
    parts: HashMap<Cell, Part>,
    views: HashMap<(ValueId, usize, usize), ValueId>,
    /// Parameters that have their gradient.
    done: Vec<String>,
    names: usize,
}

impl Backward<'_> {
    fn name(&mut self, of: ValueId) -> String {
        self.names += 1;
        let name = &self.b.graph().value(of).name;
        format!("{name}{OF_VALUE}{}", self.names)
    }

    fn depends(&self, id: ValueId) -> bool {
        self.b
            .graph()
            .cells(id)
            .any(|cell| self.depends.contains(&cell))
    }

    /// A value of the graph, computed again if it was not kept.
    fn fresh(&mut self, id: ValueId) -> Result<ValueId> {
        self.recompute.fresh(self.b, id)
    }

    /// A new value of the shape, groups and accuracy of `of`.
    fn like(&mut self, of: ValueId) -> Result<ValueId> {
        let name = self.name(of);
        self.b.temporary_like(&name, of)
    }

    /// A new value, made by an operation, of the shape of `of`.
    fn push_like(&mut self, of: ValueId, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        let into = self.like(of)?;
        self.b.push_into(&[into], op, inputs)?;
        Ok(into)
    }

    fn push(&mut self, of: ValueId, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        let name = self.name(of);
        self.b.push(&name, op, inputs)
    }

    /// So many groups of a value from a part on.
    fn view(&mut self, part: Part, groups: usize) -> Result<ValueId> {
        let whole = self.b.graph().value(part.value).segments.len();
        if (part.group, groups) == (0, whole) {
            return Ok(part.value);
        }
        let key = (part.value, part.group, groups);
        if let Some(&view) = self.views.get(&key) {
            return Ok(view);
        }
        let name = self.name(part.value);
        let view = self.b.segments(&name, part.value, part.group, groups)?;
        self.views.insert(key, view);
        Ok(view)
    }

    /// Adds `scale * gradient` to the gradient of a value.
    fn add(&mut self, of: ValueId, gradient: ValueId, scale: f32) -> Result<()> {
        let segments = |id: ValueId| &self.b.graph().value(id).segments;
        if segments(of) != segments(gradient) {
            let copy = Op::Pointwise(Pointwise::affine(scale, 0.0));
            let copy = self.push_like(of, copy, &[gradient])?;
            return self.add(of, copy, 1.0);
        }
        let cells: Vec<Cell> = self.b.graph().cells(of).collect();
        let first = self.b.graph().cells(gradient).next();
        let (value, group) = first.expect("a value has a channel group");
        let new = Part {
            value,
            group,
            scale,
        };
        let mut start = 0;
        while start < cells.len() {
            let known = self.parts.get(&cells[start]).copied();
            // As many groups as lie side by side there, too.
            let alike = |&at: &usize| {
                let expected = known.map(|part| part.after(at - start));
                self.parts.get(&cells[at]).copied() == expected
            };
            let end = (start..cells.len())
                .take_while(alike)
                .last()
                .unwrap_or(start)
                + 1;
            let groups = end - start;
            let mut part = new.after(start);
            if let Some(known) = known {
                let operands = [self.view(part, groups)?, self.view(known, groups)?];
                let sum = Op::Pointwise(Pointwise::add(part.scale, known.scale));
                part = Part {
                    value: self.push_like(operands[1], sum, &operands)?,
                    group: 0,
                    scale: 1.0,
                };
            }
            for (at, &cell) in cells[start..end].iter().enumerate() {
                self.parts.insert(cell, part.after(at));
            }
            start = end;
        }
        Ok(())
    }

    /// The gradient of a value as `scale` times another, if it has one.
    fn scaled(&mut self, of: ValueId) -> Result<Option<(ValueId, f32)>> {
        let cells: Vec<Cell> = self.b.graph().cells(of).collect();
        let parts: Vec<Option<Part>> = cells
            .iter()
            .map(|cell| self.parts.get(cell).copied())
            .collect();
        let Some(first) = parts.iter().flatten().next().copied() else {
            return Ok(None);
        };
        let mut parts_in_order = parts.iter().enumerate();
        if parts_in_order.all(|(at, part)| *part == Some(first.after(at))) {
            return Ok(Some((self.view(first, cells.len())?, first.scale)));
        }
        let whole = self.like(of)?;
        for (at, part) in parts.into_iter().enumerate() {
            let part = part.ok_or_else(|| self.wrong(of, "is used only in part"))?;
            let to = Part {
                value: whole,
                group: at,
                scale: 1.0,
            };
            let (from, to) = (self.view(part, 1)?, self.view(to, 1)?);
            let copy = Op::Pointwise(Pointwise::affine(part.scale, 0.0));
            self.b.push_into(&[to], copy, &[from])?;
        }
        Ok(Some((whole, 1.0)))
    }

    /// The gradient of a value, if it has one.
    fn gradient(&mut self, of: ValueId) -> Result<Option<ValueId>> {
        match self.scaled(of)? {
            Some((gradient, 1.0)) => Ok(Some(gradient)),
            Some((gradient, scale)) => {
                let affine = Op::Pointwise(Pointwise::affine(scale, 0.0));
                self.push_like(of, affine, &[gradient]).map(Some)
            }
            None => Ok(None),
        }
    }

    fn wrong(&self, of: ValueId, reason: &str) -> GraphError {
        let graph = self.b.graph();
        GraphError::Gradient {
            graph: graph.name.clone(),
            value: graph.value(of).name.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Writes the gradient of a parameter.
    fn parameter(&mut self, id: ValueId, op: Op, inputs: &[ValueId]) -> Result<()> {
        self.parameters(&[id], &[], op, inputs)
    }

    /// Writes the gradients of parameters: results of an operation that follow
    /// `others`.
    fn parameters(
        &mut self,
        ids: &[ValueId],
        others: &[ValueId],
        op: Op,
        inputs: &[ValueId],
    ) -> Result<()> {
        let mut results = others.to_vec();
        let mut added = Vec::new();
        for &id in ids {
            let value = self.b.graph().value(id);
            let (name, shape, role) = (value.name.clone(), value.shape, value.role);
            let is_wanted = role == Role::Parameter && (self.wanted)(&name);
            let mut made = None;
            if is_wanted {
                let gradient = gradient_name(&name);
                let state = (self.b).value(&gradient, shape, Role::State, Element::Tensor)?;
                let again = self.done.contains(&name);
                match again || self.mode == Gradients::Added {
                    true => added.push((results.len(), state)),
                    false => made = Some(state),
                }
                if !again {
                    self.done.push(name);
                }
            }
            results.push(match made {
                Some(state) => state,
                None => self.tensor(id, shape)?,
            });
        }
        self.b.push_into(&results, op, inputs)?;
        for (at, state) in added {
            let accumulate = Op::Accumulate(Accumulate {});
            self.b
                .push_into(&[state], accumulate, &[state, results[at]])?;
        }
        Ok(())
    }

    fn tensor(&mut self, of: ValueId, shape: Shape) -> Result<ValueId> {
        let name = self.name(of);
        self.b.value(&name, shape, Role::Temporary, Element::Tensor)
    }
}
