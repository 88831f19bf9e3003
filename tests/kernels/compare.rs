//! Runs a case on an executor and beside it in f64, and compares every
//! element of every array: results with the reference, everything else (other
//! channels of the array written to, operands, padding) with what was there.

use crate::arrays::{
    PackedWeight, accepts, add_stored_views, channels_of, initial, logical_channels,
    packed_weights, roots, rounds_operands, written, written_channels,
};
use crate::case::{ArrayFormats, Case, Scale};
use crate::expected::{Precisions, reference};
use crate::reference::Tensor;
use crate::subjects::Subject;
use srdiff::exec::{ExecError, Executor};
use srdiff::graph::{Element, Value};
use srdiff::plan::{
    Choice, Chooser, Format, NodeOperands, PlannedValue, Precision, Program, choose, plan,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Error of Winograd's convolution over the largest result, where transformed
/// pixels and weights are rounded to bf16.
const WINOGRAD_BF16: f64 = 0.04;

/// What stands in memory after a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The arrays, by the value's index.
    pub arrays: HashMap<usize, Vec<f32>>,
    /// The packed weights, where they can be read: on a GPU.
    pub packed: Vec<Vec<f32>>,
}

/// Everything known about a case on a subject.
pub struct Trial {
    case: Arc<Case>,
    /// As planned; each array with its padding.
    arrays: HashMap<usize, PlannedValue>,
    packed: Vec<PackedWeight>,
    rounds_operands: bool,
    /// Whether f16 may be cut off where others round, which Vulkan allows.
    pub cuts_off: bool,
    precisions: Precisions,
    before: HashMap<usize, Vec<f32>>,
}

/// A device's kernels, with arrays in formats of the case's.
struct WithFormats<'a> {
    kernels: &'a dyn Chooser,
    arrays: ArrayFormats,
}

impl Chooser for WithFormats<'_> {
    fn format(&self, element: Element) -> Format {
        match element {
            Element::F32 => self.arrays.f32,
            Element::Float => self.arrays.float,
            Element::Tensor => Format::TENSOR,
        }
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        self.kernels.choose(node)
    }

    fn threads(&self) -> usize {
        self.kernels.threads()
    }

    fn precision(&self) -> Precision {
        self.kernels.precision()
    }
}

/// The number of f16 next to this one on the side of zero.
fn cut_off(v: f64) -> f32 {
    let nearest = half::f16::from_f64(v);
    match nearest.to_f64().abs() > v.abs() {
        true => half::f16::from_bits(nearest.to_bits() - 1).to_f32(),
        false => nearest.to_f32(),
    }
}

impl Trial {
    /// Plans a case.
    pub fn plan(case: &Case, kernels: &dyn Chooser) -> Result<(Self, Program), String> {
        let with_formats = case.formats.map(|arrays| WithFormats { kernels, arrays });
        let chooser: &dyn Chooser = match &with_formats {
            Some(chooser) => chooser,
            None => kernels,
        };
        let graphs = std::slice::from_ref(&case.graph);
        let program = choose(graphs, chooser, false)
            .and_then(|chosen| plan(&chosen, chooser.threads(), chooser.precision()));
        let mut program = program.map_err(|error| format!("{}: {error}", case.name))?;
        let arrays = add_stored_views(&case.graph, &mut program);
        let packed = packed_weights(&program);
        let mut precisions = Precisions::new();
        for (&index, array) in &arrays {
            precisions.insert(index, array.format.precision);
        }
        for weight in &packed {
            let id = case.graph.find(&weight.tensor);
            let id = id.expect("a weight of the case");
            // Transformed weights are rounded, not those of the model.
            precisions.insert(
                id.0,
                match weight.packing.winograd.is_some() {
                    true => Precision::F32,
                    false => weight.packing.precision,
                },
            );
        }
        let before = arrays.iter();
        let before = before.map(|(&index, array)| (index, initial(case, index, array)));
        let trial = Self {
            before: before.collect(),
            case: Arc::new(case.clone()),
            rounds_operands: rounds_operands(&case.graph, &program),
            cuts_off: false,
            arrays,
            packed,
            precisions,
        };
        Ok((trial, program))
    }

    /// Runs a case.
    pub fn run(case: &Case, subject: &Subject) -> Result<(Self, Outcome), String> {
        let (mut trial, program) = Self::plan(case, subject.kernels())?;
        trial.cuts_off = subject.may_cut_off();
        let outcome = trial.run_on(subject, &program);
        let outcome = outcome.map_err(|error| format!("{}: {error}", case.name))?;
        Ok((trial, outcome))
    }

    fn run_on(&self, subject: &Subject, program: &Program) -> Result<Outcome, ExecError> {
        let packed = || self.packed.iter().map(|weight| weight.elements.clone());
        let parameters = self.case.clone();
        let mut executor = subject.load_showing(program, packed().collect(), parameters)?;
        let mut outcome = self.drive(executor.as_mut())?;
        if subject.is_gpu() {
            for elements in packed() {
                outcome.packed.push(executor.read(&elements.name)?);
            }
        }
        Ok(outcome)
    }

    /// Runs the case on an executor that has loaded it.
    pub fn drive(&self, executor: &mut dyn Executor) -> Result<Outcome, ExecError> {
        let case = &self.case;
        for (index, elements) in &self.before {
            executor.write(&self.arrays[index].name, elements)?;
        }
        executor.set_records(&case.records)?;
        executor.run(&case.graph.name, case.step)?;
        executor.wait(0)?;
        let mut outcome = Outcome::default();
        for (&index, array) in &self.arrays {
            outcome.arrays.insert(index, executor.read(&array.name)?);
        }
        Ok(outcome)
    }

    /// What a faultless executor leaves: the reference, rounded.
    pub fn faultless(&self) -> Outcome {
        let graph = &self.case.graph;
        let expected = reference(&self.case, &self.precisions);
        let mut outcome = Outcome {
            arrays: HashMap::new(),
            packed: self.expected_packed(&self.case),
        };
        for (index, value) in roots(graph) {
            let data = &expected[&index].data;
            let mut elements = self.before[&index].clone();
            let (array, written) = (&self.arrays[&index], written(graph, index));
            let logical = logical_channels(value, array.format.layout);
            let plane = value.shape.pixels();
            for (at, element) in elements.iter_mut().enumerate() {
                let (segment, c) = logical[at / plane % array.shape.c];
                let n = at / plane / array.shape.c;
                if written[segment] {
                    *element = c.map_or(0.0, |c| {
                        let v = data[(n * value.shape.c + c) * plane + at % plane];
                        match array.format.precision {
                            Precision::F32 => v as f32,
                            Precision::F16 if self.cuts_off => cut_off(v),
                            Precision::F16 => half::f16::from_f64(v).to_f32(),
                            Precision::Bf16 => half::bf16::from_f64(v).to_f32(),
                        }
                    });
                }
            }
            outcome.arrays.insert(index, elements);
        }
        outcome
    }

    /// The packed weights, were those of `case` packed.
    fn expected_packed(&self, case: &Case) -> Vec<Vec<f32>> {
        let expected = |weight: &PackedWeight| {
            let id = case.graph.find(&weight.tensor);
            let value = case.graph.value(id.expect("a weight of the case"));
            weight.expected(&case.values(value, Precision::F32))
        };
        self.packed.iter().map(expected).collect()
    }

    /// Compares with the reference of the case's graph. Returns the largest
    /// error over its scale.
    pub fn check(&self, outcome: &Outcome) -> Result<f64, String> {
        self.check_against(&self.case, outcome)
    }

    /// Compares with the reference of another case of the same arrays.
    pub fn check_against(&self, case: &Case, outcome: &Outcome) -> Result<f64, String> {
        let mut problems = Vec::new();
        let worst = self.check_arrays(case, outcome, &mut problems);
        let packed = self.expected_packed(case);
        for ((weight, got), want) in self.packed.iter().zip(&outcome.packed).zip(&packed) {
            let largest = want.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
                if !accepts(&weight.packing, got, want, largest) {
                    let name = &weight.elements.name;
                    problems.push(format!("{name}: {at} is {got}, not {want}"));
                }
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

    /// Compares the arrays alone, and not the packed weights.
    pub fn check_arrays(&self, case: &Case, outcome: &Outcome, problems: &mut Vec<String>) -> f64 {
        let expected = reference(case, &self.precisions);
        let mut worst = 0.0f64;
        for (index, value) in roots(&case.graph) {
            let error = self.check_array(index, value, &expected[&index], outcome, problems);
            worst = worst.max(error);
        }
        worst
    }

    /// Allowed error over scale of an array.
    pub fn allowed(&self, index: usize) -> f64 {
        // Kernels in bf16 round what they multiply, whatever it is stored in.
        let mut packings = self.packed.iter().map(|weight| &weight.packing);
        let rounds = packings.clone().any(|p| p.precision == Precision::Bf16);
        let rounding = match rounds || self.rounds_operands {
            true if packings.any(|p| p.winograd.is_some()) => WINOGRAD_BF16,
            true => 1.02 / 256.0,
            false => 0.0,
        };
        rounding
            + match self.arrays[&index].format.precision {
                Precision::F16 if self.cuts_off => self.case.bound.f16_cut_off(),
                Precision::F16 => self.case.bound.f16,
                Precision::Bf16 => self.case.bound.bf16(),
                Precision::F32 => self.case.bound.f32,
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
        let logical = logical_channels(value, array.format.layout);
        let plane = value.shape.pixels();
        let largest = channels_of(expected, &written_channels(value, &written))
            .filter(|v| v.is_finite())
            .fold(0.0, |most: f64, v| most.max(v.abs()));
        let bound = self.case.bound;
        let allowed = self.allowed(index);
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
            if !want.is_finite() {
                // NaN has many forms; infinities have a sign.
                if !(f64::from(got) == want || got.is_nan() && want.is_nan()) {
                    problems.push(format!("{} is {got}, not {want}", place()));
                }
                continue;
            }
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
