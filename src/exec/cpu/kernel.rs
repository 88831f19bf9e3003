//! A node made ready to run.

use super::choose::bytes;
use super::memory::{Memory, Threads, View, failure, wrong_operand};
use super::number::Number;
use crate::exec::{ExecError, StepRecord};
use crate::ops::Packing;
use crate::plan::{Format, Phase, PlannedNode, PlannedValue, Precision};
use std::sync::Arc;

/// Runs one node, its operands and packed weights already bound.
pub(super) type Kernel = Box<dyn Fn(&StepRecord) + Send + Sync>;

/// A node with easy access to its operands.
pub(super) struct Loading<'a> {
    pub phase: &'a Phase,
    pub node: &'a PlannedNode,
    pub slots: &'a [Arc<Memory>],
    pub threads: &'a Arc<Threads>,
}

impl<'a> Loading<'a> {
    pub fn input_value(&self, index: usize) -> &'a PlannedValue {
        &self.phase.values[self.node.inputs[index]]
    }

    pub fn output_value(&self, index: usize) -> &'a PlannedValue {
        &self.phase.values[self.node.outputs[index]]
    }

    /// How an operand and the result are stored.
    pub fn precisions(&self, input: usize) -> [Precision; 2] {
        [self.input_value(input), self.output_value(0)].map(|value| value.format.precision)
    }

    pub fn slot(&self, value: &PlannedValue) -> &'a Arc<Memory> {
        &self.slots[value.slot]
    }

    /// An operand that is no weight.
    pub fn input<T: Number>(&self, index: usize) -> Result<View<T>, ExecError> {
        let value = self.input_value(index);
        View::new(value, self.slot(value))
    }

    pub fn output<T: Number>(&self, index: usize) -> Result<View<T>, ExecError> {
        let value = self.output_value(index);
        View::new(value, self.slot(value))
    }

    /// An operand in PyTorch's order, as one array.
    pub fn tensor_input(&self, index: usize) -> Result<View, ExecError> {
        self.tensor(self.input_value(index))
    }

    /// A result in PyTorch's order, as one array.
    pub fn tensor_output(&self, index: usize) -> Result<View, ExecError> {
        self.tensor(self.output_value(index))
    }

    fn tensor(&self, value: &PlannedValue) -> Result<View, ExecError> {
        if value.format != Format::TENSOR || value.packing.is_some() || value.is_part() {
            return Err(wrong_operand(value, "is not a tensor in PyTorch's order"));
        }
        View::arrays(value, [1, value.shape.elements()], self.slot(value))
    }

    /// A weight, which must be packed as the kernel reads it.
    pub fn weight<T: Number>(&self, index: usize, packing: &Packing) -> Result<View<T>, ExecError> {
        let value = self.input_value(index);
        if value.packing.as_ref() != Some(packing) {
            return Err(wrong_operand(value, "is not packed for its kernel"));
        }
        View::arrays(value, [1, packing.elements()], self.slot(value))
    }

    /// Scratch arrays: how many, and of how many elements.
    pub fn scratch(&self, sizes: [usize; 2]) -> Result<View, ExecError> {
        let Some(&id) = self.node.scratch.first() else {
            return Err(self.misplanned("without scratch memory"));
        };
        let value = &self.phase.values[id];
        View::arrays(value, sizes, self.slot(value))
    }

    /// Checks that each thread has scratch memory for so many elements, as
    /// choosing has asked for.
    pub fn thread_scratch(&self, elements: usize) -> Result<Arc<Threads>, ExecError> {
        match self.node.thread_bytes >= bytes(elements) {
            true => Ok(self.threads.clone()),
            false => Err(self.misplanned("with too little memory")),
        }
    }

    fn misplanned(&self, what: &str) -> ExecError {
        failure(format!("{} was planned {what}", self.node.op.name()))
    }
}
