//! A step made ready to run.

use super::memory::{Slots, View};
use crate::exec::{ExecError, Parameters, StepRecord};
use crate::graph::{Plan, Step};
use std::borrow::Cow;

/// Runs one step of a plan, its operands and packed weights already bound.
pub(super) type Kernel = Box<dyn Fn(&StepRecord) + Send>;

/// A step with easy access to its operands.
pub(super) struct Loading<'a> {
    pub plan: &'a Plan,
    pub step: &'a Step,
    pub slots: &'a mut Slots,
    pub parameters: &'a dyn Parameters,
}

impl<'a> Loading<'a> {
    /// An operand that is no weight.
    pub fn input(&mut self, index: usize) -> View {
        self.slots.view(&self.plan.values[self.step.inputs[index]])
    }

    /// A result.
    pub fn output(&mut self, index: usize) -> View {
        self.slots.view(&self.plan.values[self.step.outputs[index]])
    }

    /// A weight, in PyTorch's order.
    pub fn weight(&self, index: usize) -> Result<Cow<'a, [f32]>, ExecError> {
        let value = &self.plan.values[self.step.inputs[index]];
        let weight = self.parameters.parameter(&value.name, value.shape)?;
        // Kernels rely on it.
        assert_eq!(
            weight.len(),
            value.shape.elements(),
            "weight '{}' {}",
            value.name,
            value.shape
        );
        Ok(weight)
    }
}
