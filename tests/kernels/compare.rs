//! Runs a case on an executor and beside it in f64, and compares every
//! element of every array: results with the reference, everything else (other
//! channels of the array written to, operands, padding) with what was there.

use crate::arrays::{
    add_stored_views, channels_of, initial, logical_channels, roots, written, written_channels,
};
use crate::case::{Case, Filled, Scale};
use crate::expected::reference;
use crate::reference::Tensor;
use crate::subjects::Subject;
use srdiff::exec::{ExecError, Executor};
use srdiff::graph::{Element, PlanOptions, PlannedValue, Precision, Program, Value, plan};
use std::collections::HashMap;

/// What stands in the arrays after a run, by the value's index.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub arrays: HashMap<usize, Vec<f32>>,
    pub pixels: HashMap<usize, Vec<u32>>,
}

/// Everything known about a case on a subject.
pub struct Trial {
    case: Case,
    precision: Precision,
    /// As planned; each array with its padding.
    arrays: HashMap<usize, PlannedValue>,
    before: HashMap<usize, Vec<f32>>,
}

impl Trial {
    /// Plans a case.
    pub fn prepare(case: &Case, options: PlanOptions) -> Result<(Self, Program), String> {
        let graphs = std::slice::from_ref(&case.graph);
        let mut program = plan(graphs, options).map_err(|e| format!("{}: {e}", case.name))?;
        let arrays = add_stored_views(&case.graph, &mut program);
        let precision = options.precision;
        let halves = precision == Precision::F16;
        let before = arrays
            .iter()
            .filter(|(_, array)| array.element != Element::Pixel)
            .map(|(&index, array)| (index, initial(case, index, array, halves)))
            .collect();
        let trial = Self {
            case: case.clone(),
            precision,
            arrays,
            before,
        };
        Ok((trial, program))
    }

    /// Runs a case.
    pub fn run(case: &Case, subject: &Subject) -> Result<(Self, Outcome), String> {
        let (trial, program) = Self::prepare(case, subject.options)?;
        let outcome = trial
            .run_on(program, subject)
            .map_err(|error| format!("{}: {error}", case.name))?;
        Ok((trial, outcome))
    }

    fn run_on(&self, program: Program, subject: &Subject) -> Result<Outcome, ExecError> {
        let case = &self.case;
        let halves = self.precision == Precision::F16;
        let mut executor = subject.open(program, &Filled { case, halves })?;
        self.drive(executor.as_mut())
    }

    /// Runs the case on an executor that has loaded it.
    pub fn drive(&self, executor: &mut dyn Executor) -> Result<Outcome, ExecError> {
        let case = &self.case;
        for (index, value) in roots(&case.graph) {
            match self.before.get(&index) {
                Some(elements) => executor.write(&self.arrays[&index].name, elements)?,
                None => executor.write_pixels(&value.name, &case.pixels(value))?,
            }
        }
        executor.set_steps(&case.records)?;
        executor.run(0, case.step)?;
        executor.wait(0)?;
        let mut outcome = Outcome::default();
        for (index, value) in roots(&case.graph) {
            if value.element == Element::Pixel {
                let pixels = executor.read_pixels(&value.name)?;
                outcome.pixels.insert(index, pixels);
            } else {
                let elements = executor.read(&self.arrays[&index].name)?;
                outcome.arrays.insert(index, elements);
            }
        }
        Ok(outcome)
    }

    /// What a faultless executor leaves: the reference, rounded.
    pub fn faultless(&self) -> Outcome {
        let graph = &self.case.graph;
        let expected = reference(&self.case, self.precision == Precision::F16);
        let mut outcome = Outcome::default();
        for (index, value) in roots(graph) {
            let data = &expected[&index].data;
            if value.element == Element::Pixel {
                let pixels = data.iter().map(|&v| v as u32).collect();
                outcome.pixels.insert(index, pixels);
                continue;
            }
            let mut elements = self.before[&index].clone();
            let (array, written) = (&self.arrays[&index], written(graph, index));
            let logical = logical_channels(value, array.layout);
            let plane = value.shape.pixels();
            for (at, element) in elements.iter_mut().enumerate() {
                let (segment, c) = logical[at / plane % array.shape.c];
                let n = at / plane / array.shape.c;
                if written[segment] {
                    *element = c.map_or(0.0, |c| {
                        let v = data[(n * value.shape.c + c) * plane + at % plane];
                        match array.precision {
                            Precision::F32 => v as f32,
                            Precision::F16 => half::f16::from_f64(v).to_f32(),
                        }
                    });
                }
            }
            outcome.arrays.insert(index, elements);
        }
        outcome
    }

    /// Compares with the reference of the case's graph. Returns the largest
    /// error over its scale.
    pub fn check(&self, outcome: &Outcome) -> Result<f64, String> {
        self.check_against(&self.case, outcome)
    }

    /// Compares with the reference of another case of the same arrays.
    pub fn check_against(&self, case: &Case, outcome: &Outcome) -> Result<f64, String> {
        let expected = reference(case, self.precision == Precision::F16);
        let mut worst = 0.0f64;
        let mut problems = Vec::new();
        for (index, value) in roots(&case.graph) {
            let tensor = &expected[&index];
            if value.element == Element::Pixel {
                for (at, (&got, &want)) in
                    outcome.pixels[&index].iter().zip(&tensor.data).enumerate()
                {
                    if f64::from(got) != want {
                        problems.push(format!(
                            "{}[{at}] is {got:#x}, not {:#x}",
                            value.name, want as u32
                        ));
                    }
                }
            } else {
                let error = self.check_array(index, value, tensor, outcome, &mut problems);
                worst = worst.max(error);
            }
        }
        match problems.len() {
            0 => Ok(worst),
            count => {
                problems.truncate(6);
                Err(format!(
                    "{count} elements differ:\n  {}",
                    problems.join("\n  ")
                ))
            }
        }
    }

    fn check_array(
        &self,
        index: usize,
        value: &Value,
        expected: &Tensor,
        outcome: &Outcome,
        problems: &mut Vec<String>,
    ) -> f64 {
        let array = &self.arrays[&index];
        let (before, after) = (&self.before[&index], &outcome.arrays[&index]);
        let written = written(&self.case.graph, index);
        let logical = logical_channels(value, array.layout);
        let plane = value.shape.pixels();
        let largest = channels_of(expected, &written_channels(value, &written))
            .fold(0.0, |most: f64, v| most.max(v.abs()));
        let bound = self.case.bound;
        let allowed = match (self.precision, value.element) {
            (Precision::F16, Element::Real) => bound.f16,
            _ => bound.f32,
        };
        let mut worst = 0.0f64;
        for (at, (&got, &old)) in after.iter().zip(before).enumerate() {
            let channel = at / plane % array.shape.c;
            let n = at / plane / array.shape.c;
            let p = at % plane;
            let (segment, c) = logical[channel];
            let place = || {
                format!(
                    "{}[{n}, {c:?} of group {segment}, {}, {}]",
                    value.name,
                    p / value.shape.w,
                    p % value.shape.w
                )
            };
            if !written[segment] {
                if got.to_bits() != old.to_bits() {
                    problems.push(format!("{} was {old} and became {got}", place()));
                }
                continue;
            }
            let Some(c) = c else {
                if got != 0.0 {
                    problems.push(format!("{} is padding and became {got}, not zero", place()));
                }
                continue;
            };
            let want = expected.at(n, c, p / value.shape.w, p % value.shape.w);
            let scale = match bound.scale {
                Scale::Largest => largest,
                Scale::Each(floor) => want.abs().max(floor),
            };
            let error = (f64::from(got) - want).abs() / scale.max(f64::MIN_POSITIVE);
            if error.is_nan() || error > allowed {
                problems.push(format!("{} is {got}, not {want}: error {error:.2e} of {scale:.3}, allowed {allowed:.1e}", place()));
            } else {
                worst = worst.max(error);
            }
        }
        worst
    }
}
