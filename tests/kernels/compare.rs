//! Runs a case on an executor and beside it in f64, and compares every
//! element of every array: results with the reference, everything else (other
//! channels of the array written to, operands, padding) with what was there.

use crate::case::{Case, Filled, Scale};
use crate::reference::{Tensor, evaluate};
use crate::subjects::Subject;
use srdiff::exec::ExecError;
use srdiff::graph::{
    Element, Graph, Layout, PlanOptions, PlannedValue, Precision, Program, Role, Value, ValueId,
    plan,
};
use std::collections::HashMap;

/// Name of the view of an array that shows its padding channels too.
fn stored(name: &str) -> String {
    format!("{name} with padding")
}

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
            // Written so that NaN is a failure.
            if !(error <= allowed) {
                problems.push(format!("{} is {got}, not {want}: error {error:.2e} of {scale:.3}, allowed {allowed:.1e}", place()));
            } else {
                worst = worst.max(error);
            }
        }
        worst
    }
}

/// The arrays that the host fills and reads.
fn roots(graph: &Graph) -> impl Iterator<Item = (usize, &Value)> {
    let is_root = |value: &Value| value.role == Role::State && value.view_of.is_none();
    let values = graph.values.iter().enumerate();
    values.filter(move |(_, value)| is_root(value))
}

/// Adds to the program, for every array, a value that shows its padding too.
fn add_stored_views(graph: &Graph, program: &mut Program) -> HashMap<usize, PlannedValue> {
    let mut views = HashMap::new();
    for (index, value) in roots(graph) {
        let planned = &program.phases[0].values[index];
        let channels = planned.stored_channels();
        let view = PlannedValue {
            name: stored(&value.name),
            shape: planned.shape.with_channels(channels),
            segments: vec![channels],
            ..planned.clone()
        };
        views.insert(index, view);
    }
    program.phases[0].values.extend(views.values().cloned());
    views
}

/// For each stored channel its group, and its logical channel if it has one.
fn logical_channels(value: &Value, layout: Layout) -> Vec<(usize, Option<usize>)> {
    let mut channels = Vec::new();
    let mut first = 0;
    for (segment, &count) in value.segments.iter().enumerate() {
        for c in 0..count.next_multiple_of(layout.channel_alignment()) {
            channels.push((segment, (c < count).then_some(first + c)));
        }
        first += count;
    }
    channels
}

/// Channel groups of the array `index` that `id` covers.
fn covered(graph: &Graph, id: ValueId, index: usize) -> std::ops::Range<usize> {
    let value = graph.value(id);
    let (root, first) = value.view_of.unwrap_or((id, 0));
    if root.0 == index {
        first..first + value.segments.len()
    } else {
        0..0
    }
}

/// Which channel groups of an array the nodes write.
fn written(graph: &Graph, index: usize) -> Vec<bool> {
    let mut written = vec![false; graph.values[index].segments.len()];
    for node in &graph.nodes {
        for &id in &node.outputs {
            written[covered(graph, id, index)].fill(true);
        }
    }
    written
}

/// Which channel groups of an array hold nothing that any node reads before
/// it is written: the kernels must not care what is there.
fn unread(graph: &Graph, index: usize) -> Vec<bool> {
    let mut read = vec![false; graph.values[index].segments.len()];
    let mut written = read.clone();
    for node in &graph.nodes {
        for &id in &node.inputs {
            for segment in covered(graph, id, index) {
                read[segment] |= !written[segment];
            }
        }
        for &id in &node.outputs {
            written[covered(graph, id, index)].fill(true);
        }
    }
    written.iter().zip(&read).map(|(w, r)| *w && !r).collect()
}

/// What is written, padding included: operands as filled with zeros as padding;
/// NaN wherever a result goes; other channels random, with padding that tells.
fn initial(case: &Case, index: usize, array: &PlannedValue, halves: bool) -> Vec<f32> {
    let value = &case.graph.values[index];
    let values = case.values(value, halves);
    let (unread, written) = (unread(&case.graph, index), written(&case.graph, index));
    let logical = logical_channels(value, array.layout);
    let used = |segment| {
        case.graph.nodes.iter().any(|node| {
            let mut inputs = node.inputs.iter();
            inputs.any(|&id| covered(&case.graph, id, index).contains(&segment))
        })
    };
    let plane = value.shape.pixels();
    let mut elements = Vec::with_capacity(array.shape.elements());
    for n in 0..value.shape.n {
        for &(segment, c) in &logical {
            for p in 0..plane {
                elements.push(match c {
                    _ if unread[segment] => f32::NAN,
                    Some(c) => values[(n * value.shape.c + c) * plane + p],
                    None if used(segment) || written[segment] => 0.0,
                    None => 7.5,
                });
            }
        }
    }
    elements
}

fn written_channels(value: &Value, written: &[bool]) -> Vec<usize> {
    let mut first = 0;
    let mut channels = Vec::new();
    for (&count, &written) in value.segments.iter().zip(written) {
        if written {
            channels.extend(first..first + count);
        }
        first += count;
    }
    channels
}

fn channels_of<'a>(tensor: &'a Tensor, channels: &'a [usize]) -> impl Iterator<Item = f64> + 'a {
    let (c, plane) = (tensor.shape.c, tensor.shape.pixels());
    let values = tensor.data.iter().enumerate();
    values
        .filter(move |(at, _)| channels.contains(&(at / plane % c)))
        .map(|(_, &v)| v)
}

/// Every array after the nodes, in f64.
pub fn reference(case: &Case, halves: bool) -> HashMap<usize, Tensor> {
    let graph = &case.graph;
    let mut tensors: HashMap<usize, Tensor> = HashMap::new();
    for (index, value) in graph.values.iter().enumerate() {
        if value.view_of.is_some() || value.role == Role::Temporary {
            continue;
        }
        let data = if value.element == Element::Pixel {
            case.pixels(value).into_iter().map(f64::from).collect()
        } else {
            let values = case.values(value, halves);
            values.into_iter().map(f64::from).collect()
        };
        let shape = value.shape;
        tensors.insert(index, Tensor { shape, data });
    }
    let first_channel = |root: ValueId, segment: usize| -> usize {
        graph.value(root).segments[..segment].iter().sum()
    };
    for node in &graph.nodes {
        let operands: Vec<Tensor> = node
            .inputs
            .iter()
            .map(|&id| {
                let (root, segment) = graph.value(id).view_of.unwrap_or((id, 0));
                tensors[&root.0].channels(first_channel(root, segment), graph.value(id).shape.c)
            })
            .collect();
        let operands: Vec<&Tensor> = operands.iter().collect();
        let results = evaluate(&node.op, &operands, &case.records[case.step]);
        for (&id, result) in node.outputs.iter().zip(&results) {
            let (root, segment) = graph.value(id).view_of.unwrap_or((id, 0));
            let first = first_channel(root, segment);
            let array = tensors
                .entry(root.0)
                .or_insert_with(|| Tensor::zeros(graph.value(root).shape));
            array.set_channels(first, result);
        }
    }
    tensors
}
