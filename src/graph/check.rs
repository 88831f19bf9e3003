//! Plans that come from elsewhere (a file, a hand): could the planner have
//! made them?

use super::{Plan, PlanError, PlannedValue, Step, Storage};
use crate::graph::Shape;

impl Plan {
    /// Checks each step against the rules of its operation: the shapes of its
    /// results, and that no result lies over an operand or another result,
    /// but for those that the operation updates in place.
    ///
    /// # Errors
    /// Names the first step that breaks a rule.
    pub fn check(&self) -> Result<(), PlanError> {
        for step in &self.steps {
            self.check_step(step).map_err(|reason| PlanError::Step {
                phase: self.name.clone(),
                op: step.op.name(),
                reason,
            })?;
        }
        Ok(())
    }

    fn check_step(&self, step: &Step) -> Result<(), String> {
        let find = |ids: &[usize]| -> Result<Vec<&PlannedValue>, String> {
            let value = |&id| {
                self.values
                    .get(id)
                    .ok_or_else(|| format!("has no value {id}"))
            };
            ids.iter().map(value).collect()
        };
        let (inputs, outputs) = (find(&step.inputs)?, find(&step.outputs)?);
        let shapes = |values: &[&PlannedValue]| -> Vec<Shape> {
            values.iter().map(|value| value.shape).collect()
        };
        let expected = step.op.infer(&shapes(&inputs))?;
        if expected != shapes(&outputs) {
            return Err(format!("gives {expected:?}, not {:?}", shapes(&outputs)));
        }
        for (index, output) in outputs.iter().enumerate() {
            if output.storage == Storage::Parameter {
                return Err(format!("writes the weight '{}'", output.name));
            }
            let others = outputs[..index].iter();
            let in_place = index < step.op.in_place_results();
            for (at, other) in inputs.iter().enumerate() {
                let is_updated = in_place && at == index && other.storage == output.storage;
                if !is_updated && overlap(output, other) {
                    return Err(format!("writes '{}' over '{}'", output.name, other.name));
                }
            }
            if let Some(other) = others.into_iter().find(|other| overlap(output, other)) {
                return Err(format!("writes '{}' over '{}'", output.name, other.name));
            }
        }
        Ok(())
    }
}

/// Whether two values share memory.
fn overlap(a: &PlannedValue, b: &PlannedValue) -> bool {
    if a.storage == Storage::Parameter || b.storage == Storage::Parameter {
        return false;
    }
    let ((a_slot, a_first, a_stride), (b_slot, b_first, b_stride)) = (a.place(), b.place());
    let apart =
        a_first + a.stored_channels() <= b_first || b_first + b.stored_channels() <= a_first;
    a_slot == b_slot && !(a_stride == b_stride && apart)
}
