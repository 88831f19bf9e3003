//! What a kernel is tried on: a small graph, what its arrays hold before, and
//! how close the results have to be. Tests and benchmarks run the same cases.
#![allow(dead_code)] // the benchmarks fill arrays, but compare nothing

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srdiff::exec::StepRecord;
use srdiff::graph::{
    Element, Graph, Node, ParameterError, Parameters, Role, Shape, Value, ValueId,
};
use srdiff::ops::Op;
use srdiff::plan::{Format, Precision};
use std::borrow::Cow;
use std::collections::HashMap;

/// What an array holds before the run.
#[derive(Clone, Debug)]
pub enum Fill {
    /// Uniform in the range.
    Uniform(f32, f32),
    /// These, over and over.
    Repeated(Vec<f32>),
}

/// What an error is measured against.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// The largest magnitude in the reference.
    Largest,
    /// The element's own magnitude, but at least this.
    Each(f64),
}

/// Rounds numbers as they are when stored.
pub fn round(values: &mut [f32], precision: Precision) {
    for v in values {
        *v = match precision {
            Precision::F32 => *v,
            Precision::F16 => half::f16::from_f32(*v).to_f32(),
            Precision::Bf16 => half::bf16::from_f32(*v).to_f32(),
        };
    }
}

/// Allowed error over scale.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Where everything is stored in f32.
    pub f32: f64,
    /// Where it is stored in f16 (the reference sees operands and weights
    /// rounded, too).
    pub f16: f64,
    pub scale: Scale,
}

impl Bound {
    /// For one operation: `f32` for its arithmetic, and in f16 the rounding of
    /// the stored result, half a unit of 11 bits, besides.
    pub const fn of(f32: f64) -> Self {
        Self {
            f32,
            f16: f32 + 1.02 / 2048.0,
            scale: Scale::Largest,
        }
    }

    /// Where it is stored in f16 and cut off, which is off by up to a whole unit.
    pub fn f16_cut_off(&self) -> f64 {
        self.f16 + (self.f16 - self.f32).max(0.0)
    }

    /// Where it is stored in bf16, which has 8 bits where f16 has 11.
    pub fn bf16(&self) -> f64 {
        self.f32 + 8.0 * (self.f16 - self.f32).max(0.0)
    }
}

/// One case. Values are named, and filled by name.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub graph: Graph,
    /// Of arrays and weights; others are made from the results of nodes.
    pub fills: HashMap<String, Fill>,
    pub records: Vec<StepRecord>,
    /// The record that the run uses.
    pub step: usize,
    pub bound: Bound,
    pub seed: u64,
    /// What stands in the padding channels of operands before the run. Kernels
    /// may take them for zeros; those that do not get something else.
    pub padding: f32,
    /// Formats of arrays other than an executor's own.
    pub formats: Option<ArrayFormats>,
}

/// The formats of a case's arrays.
#[derive(Clone, Copy, Debug)]
pub struct ArrayFormats {
    /// Of those of [`Element::F32`].
    pub f32: Format,
    /// Of those of [`Element::Float`].
    pub float: Format,
}

impl Case {
    pub fn new(name: impl Into<String>, bound: Bound) -> Self {
        let name = name.into();
        Self {
            graph: Graph {
                name: name.clone(),
                values: Vec::new(),
                nodes: Vec::new(),
            },
            seed: name
                .bytes()
                .fold(7, |h, b| h * 31 % 1_000_003 + u64::from(b)),
            name,
            fills: HashMap::new(),
            records: vec![StepRecord::default()],
            step: 0,
            bound,
            padding: 0.0,
            formats: None,
        }
    }

    fn add(&mut self, value: Value) -> ValueId {
        assert!(self.graph.find(&value.name).is_none(), "{}", value.name);
        self.graph.values.push(value);
        ValueId(self.graph.values.len() - 1)
    }

    /// An array of several channel groups that the host fills and reads.
    pub fn array(
        &mut self,
        name: &str,
        shape: Shape,
        segments: &[usize],
        element: Element,
        fill: Fill,
    ) -> ValueId {
        assert_eq!(shape.c, segments.iter().sum::<usize>(), "{name}");
        self.fills.insert(name.to_owned(), fill);
        self.add(Value {
            name: name.to_owned(),
            shape,
            role: Role::State,
            element,
            segments: segments.to_vec(),
            view_of: None,
        })
    }

    /// An operand in an array of its own.
    pub fn float(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.array(name, shape, &[shape.c], Element::Float, fill)
    }

    /// The same, stored in f32 always.
    pub fn f32(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.array(name, shape, &[shape.c], Element::F32, fill)
    }

    /// `count` channel groups of an array, from group `first` on.
    pub fn view(&mut self, of: ValueId, first: usize, count: usize) -> ValueId {
        let whole = self.graph.value(of);
        let segments = whole.segments[first..first + count].to_vec();
        let value = Value {
            name: format!("{}[{first}..{}]", whole.name, first + count),
            shape: whole.shape.with_channels(segments.iter().sum()),
            view_of: Some((of, first)),
            segments,
            ..whole.clone()
        };
        self.add(value)
    }

    /// An operand in PyTorch's order.
    pub fn tensor(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.array(name, shape, &[shape.c], Element::Tensor, fill)
    }

    /// A weight.
    pub fn weight(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.fills.insert(name.to_owned(), fill);
        self.add(Value {
            name: name.to_owned(),
            shape,
            role: Role::Parameter,
            element: Element::Float,
            segments: vec![shape.c],
            view_of: None,
        })
    }

    /// Appends an operation that writes into `outputs`.
    pub fn step_into(&mut self, op: Op, inputs: &[ValueId], outputs: &[ValueId]) {
        let results = self.infer(&op, inputs);
        assert_eq!(results.len(), outputs.len(), "{}", self.name);
        for (&output, &shape) in outputs.iter().zip(&results) {
            assert_eq!(self.graph.value(output).shape, shape, "{}", self.name);
        }
        self.graph.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
        });
    }

    fn infer(&self, op: &Op, inputs: &[ValueId]) -> Vec<Shape> {
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.graph.value(v).shape).collect();
        op.infer(&shapes)
            .unwrap_or_else(|reason| panic!("{}: {reason}", self.name))
    }

    /// Appends an operation that writes into the middle of an array "y", whose
    /// other channels must stay as they are, or, if it makes a tensor, into all
    /// of one.
    pub fn step(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let element = op.result_element();
        self.step_as(op, inputs, element)
    }

    /// The same, with the array stored as `element`.
    pub fn step_as(&mut self, op: Op, inputs: &[ValueId], element: Element) -> ValueId {
        let shape = self.infer(&op, inputs)[0];
        let y = self.result("y", shape, element);
        self.step_into(op, inputs, &[y]);
        y
    }

    /// The place of a result: the middle of an array, or a tensor.
    pub fn result(&mut self, name: &str, shape: Shape, element: Element) -> ValueId {
        let fill = Fill::Uniform(-9.0, 9.0);
        if element == Element::Tensor {
            return self.tensor(name, shape, fill);
        }
        let segments = [5, shape.c, 3];
        let whole = shape.with_channels(shape.c + 8);
        let array = self.array(name, whole, &segments, element, fill);
        self.view(array, 1, 1)
    }

    /// The numbers of a filled value, rounded to what they are stored in.
    pub fn values(&self, value: &Value, precision: Precision) -> Vec<f32> {
        let index = self.graph.find(&value.name).map_or(0, |id| id.0) as u64;
        let mut rng = StdRng::seed_from_u64(self.seed * 1000 + index);
        let count = value.shape.elements();
        let mut values: Vec<f32> = match &self.fills[&value.name] {
            Fill::Uniform(low, high) => {
                (0..count).map(|_| rng.random_range(*low..=*high)).collect()
            }
            Fill::Repeated(values) => (0..count).map(|i| values[i % values.len()]).collect(),
        };
        round(&mut values, precision);
        values
    }

    /// One node of a larger graph on its own, with random operands; all of its
    /// values are filled and read.
    pub fn of_node(graph: &Graph, node: &Node) -> Self {
        let mut case = Self::new(node.op.name(), Bound::of(1e-5));
        let mut known: HashMap<ValueId, ValueId> = HashMap::new();
        let mut adopt = |case: &mut Case, id: ValueId| -> ValueId {
            let root = graph.root(id);
            for from in [root, id] {
                if known.contains_key(&from) {
                    continue;
                }
                let mut value = graph.value(from).clone();
                value.view_of = value.view_of.map(|(_, first)| (known[&root], first));
                if value.role != Role::Parameter {
                    value.role = Role::State;
                }
                if value.view_of.is_none() {
                    let fill = Fill::Uniform(-1.0, 1.0);
                    case.fills.insert(value.name.clone(), fill);
                }
                known.insert(from, case.add(value));
            }
            known[&id]
        };
        let inputs = node.inputs.iter().map(|&id| adopt(&mut case, id)).collect();
        let outputs = node
            .outputs
            .iter()
            .map(|&id| adopt(&mut case, id))
            .collect();
        case.graph.nodes.push(Node {
            op: node.op.clone(),
            inputs,
            outputs,
        });
        case
    }
}

/// The weights of a case, in f32: executors round them as they pack them.
impl Parameters for Case {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        let id = self.graph.find(name).ok_or_else(|| ParameterError {
            name: name.to_owned(),
            reason: "is not in the case".to_owned(),
        })?;
        let value = self.graph.value(id);
        assert_eq!(value.shape, shape, "{name}");
        Ok(Cow::Owned(self.values(value, Precision::F32)))
    }
}
