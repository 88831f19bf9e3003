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

#[cfg(test)]
mod tests {
    use crate::graph::{
        Element, GraphBuilder, Layout, PlanOptions, Precision, Program, Role, Shape, Storage, plan,
    };
    use crate::ops::{Mish, Op};

    /// y = mish(x).
    fn program() -> Program {
        let mut b = GraphBuilder::new("phase");
        let shape = Shape::new(1, 4, 3, 2);
        let x = b.value("x", shape, Role::Input, Element::Full).unwrap();
        let y = b.value("y", shape, Role::Output, Element::Full).unwrap();
        b.push_into(&[y], Op::Mish(Mish {}), &[x]).unwrap();
        let options = PlanOptions {
            layout: Layout::ChannelsLast,
            precision: Precision::F32,
        };
        plan(&[b.build()], options).unwrap()
    }

    fn problem(change: impl FnOnce(&mut Program)) -> String {
        let mut program = program();
        change(&mut program);
        let result = program.phases[0].check();
        result.map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn what_the_planner_did_not_make_is_noticed() {
        assert_eq!(problem(|_| ()), "none");
        let over = problem(|p| p.phases[0].values[1].storage = p.phases[0].values[0].storage);
        assert_eq!(over, "phase 'phase': mish writes 'y' over 'x'");
        let shape = problem(|p| p.phases[0].values[1].shape.h = 7);
        assert!(shape.contains("mish gives"), "{shape}");
        let missing = problem(|p| p.phases[0].steps[0].inputs[0] = 9);
        assert!(missing.contains("mish has no value 9"), "{missing}");
        let weight = problem(|p| p.phases[0].values[1].storage = Storage::Parameter);
        assert!(weight.contains("mish writes the weight 'y'"), "{weight}");
    }
}
