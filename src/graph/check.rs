//! Plans that come from elsewhere (a file, a hand): could the planner have
//! made them?

use super::{Plan, PlanError, PlannedValue, Shape, Step, Storage};

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
            let in_place = index < step.op.in_place_results();
            let is_updated = |at: usize, other: &PlannedValue| {
                in_place && at == index && other.storage == output.storage
            };
            let operands = inputs.iter().enumerate();
            let clash = operands
                .filter(|&(at, other)| !is_updated(at, other))
                .map(|(_, other)| other)
                .chain(&outputs[..index])
                .find(|other| overlap(output, other));
            if let Some(other) = clash {
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
