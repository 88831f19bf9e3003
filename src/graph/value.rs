//! Values, nodes and graphs.

use crate::ops::{Element, Op, Shape};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A value of a graph: its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueId(pub usize);

/// What a value is to the world outside its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Written by the host before the phase runs.
    Input,
    /// A tensor of the model. Kernels read it packed.
    Parameter,
    /// A parameter in the order that a kernel reads it; lives as long as the
    /// model is loaded. Choosing kernels adds these.
    Packed,
    /// Lives from one run of a phase to the next, and from phase to phase
    /// under its name: `x_t`, the conditioning, the time table.
    State,
    /// Read by the host after the phase ran.
    Output,
    /// Lives only inside one run of its phase; its memory is shared.
    Temporary,
}

impl Role {
    /// Whether the value keeps its own memory from run to run.
    pub fn is_persistent(self) -> bool {
        !matches!(self, Role::Parameter | Role::Temporary)
    }
}

/// One value of a graph: an array with a shape, or a range of channels of
/// another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Unique in its graph; persistent values of one name are one array in
    /// all phases of a program.
    pub name: String,
    pub shape: Shape,
    pub role: Role,
    pub element: Element,
    /// Sizes of the channel groups that it is made of, in order: one for an
    /// ordinary value, several for a concatenation. A layout may pad each
    /// group, so that every group starts at an aligned channel.
    pub segments: Vec<usize>,
    /// For a view: the value that it is part of, and its first segment there.
    pub view_of: Option<(ValueId, usize)>,
}

/// An operation on values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub op: Op,
    /// In the order that the operation documents, as are the outputs.
    pub inputs: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
}

/// A list of operations in the order they run, and the values they work on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// Name of the phase: "model", "image", "predict", ...
    pub name: String,
    pub values: Vec<Value>,
    pub nodes: Vec<Node>,
}

impl Graph {
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The value that holds the memory of `id`: itself, or what it is a view of.
    pub fn root(&self, id: ValueId) -> ValueId {
        match self.value(id).view_of {
            Some((parent, _)) => self.root(parent),
            None => id,
        }
    }

    /// Every (root value, channel group) that `id` covers.
    pub fn cells(&self, id: ValueId) -> impl Iterator<Item = (ValueId, usize)> + use<> {
        let value = self.value(id);
        let (root, first) = value.view_of.unwrap_or((id, 0));
        (first..first + value.segments.len()).map(move |group| (root, group))
    }

    /// Whether two values share memory.
    pub fn overlap(&self, a: ValueId, b: ValueId) -> bool {
        self.cells(a)
            .any(|cell| self.cells(b).any(|other| other == cell))
    }

    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|v| v.name == name).map(ValueId)
    }
}

/// Why a graph cannot be built.
#[derive(Debug, Error, PartialEq)]
pub enum GraphError {
    /// Operand shapes that do not fit the operation.
    #[error("{op} '{name}': {reason}")]
    Shape {
        op: &'static str,
        /// Name given to its result.
        name: String,
        reason: String,
    },
    #[error("graph '{graph}': a value named '{name}' exists already; give each value its own name")]
    DuplicateName { graph: String, name: String },
    /// What has no gradient.
    #[error("graph '{graph}' cannot be differentiated: '{value}' {reason}")]
    Gradient {
        graph: String,
        value: String,
        reason: String,
    },
    /// An operation that reads what nothing has written, or writes what it
    /// must not.
    #[error("graph '{graph}': {op} {reason}")]
    Access {
        graph: String,
        op: &'static str,
        reason: String,
    },
}
