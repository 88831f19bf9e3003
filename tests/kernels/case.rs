//! What a kernel is tried on: a small graph, what its arrays hold before, and
//! how close the results have to be. Tests and benchmarks run the same cases.
#![allow(dead_code)] // the benchmarks fill arrays, but compare nothing

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srdiff::exec::{ExecError, Parameters, StepRecord};
use srdiff::graph::{Element, Graph, Node, Role, Shape, Value, ValueId};
use srdiff::ops::Op;
use std::borrow::Cow;
use std::collections::HashMap;

/// What an array holds before the run.
#[derive(Clone, Debug)]
pub enum Fill {
    /// Uniform in the range.
    Uniform(f32, f32),
    /// These, over and over.
    Repeated(Vec<f32>),
    /// Random pixels.
    Pixels,
}

/// What an error is measured against.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// The largest magnitude in the reference.
    Largest,
    /// The element's own magnitude, but at least this.
    Each(f64),
}

/// Allowed error over scale.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Where everything is stored in f32.
    pub f32: f64,
    /// Where `Element::Real` is stored in f16 (operands are rounded before
    /// both the kernel and the reference see them).
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
    pub fn real(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.array(name, shape, &[shape.c], Element::Real, fill)
    }

    /// The same, stored in f32 always.
    pub fn full(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.array(name, shape, &[shape.c], Element::Full, fill)
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

    /// A weight.
    pub fn weight(&mut self, name: &str, shape: Shape, fill: Fill) -> ValueId {
        self.fills.insert(name.to_owned(), fill);
        self.add(Value {
            name: name.to_owned(),
            shape,
            role: Role::Parameter,
            element: Element::Real,
            segments: vec![shape.c],
            view_of: None,
        })
    }

    /// Appends an operation that writes into `outputs`.
    pub fn step_into(&mut self, op: Op, inputs: &[ValueId], outputs: &[ValueId]) {
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.graph.value(v).shape).collect();
        let results = op
            .infer(&shapes)
            .unwrap_or_else(|reason| panic!("{}: {reason}", self.name));
        let mut all = outputs.to_vec();
        for (&output, &shape) in outputs.iter().zip(&results) {
            assert_eq!(self.graph.value(output).shape, shape, "{}", self.name);
        }
        for (suffix, &shape) in op.scratch_names().iter().zip(&results[outputs.len()..]) {
            let name = format!("{suffix}{}", self.graph.nodes.len());
            all.push(self.add(Value {
                name,
                shape,
                role: Role::Temporary,
                element: Element::Full,
                segments: vec![shape.c],
                view_of: None,
            }));
        }
        self.graph.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: all,
        });
    }

    /// Appends an operation that writes into the middle of an array "y", whose
    /// other channels must stay as they are.
    pub fn step(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.graph.value(v).shape).collect();
        let shape = op
            .infer(&shapes)
            .unwrap_or_else(|reason| panic!("{}: {reason}", self.name))[0];
        let element = op.result_element();
        let y = if element == Element::Pixel {
            self.array("y", shape, &[1], element, Fill::Pixels)
        } else {
            let segments = [5, shape.c, 3];
            let whole = shape.with_channels(shape.c + 8);
            let array = self.array("y", whole, &segments, element, Fill::Uniform(-9.0, 9.0));
            self.view(array, 1, 1)
        };
        self.step_into(op, inputs, &[y]);
        y
    }

    /// The numbers of a filled value; those that may be stored in f16 are
    /// rounded to it if `halves`.
    pub fn values(&self, value: &Value, halves: bool) -> Vec<f32> {
        let index = self.graph.find(&value.name).map_or(0, |id| id.0) as u64;
        let mut rng = StdRng::seed_from_u64(self.seed * 1000 + index);
        let count = value.shape.elements();
        let mut values: Vec<f32> = match &self.fills[&value.name] {
            Fill::Uniform(low, high) => {
                (0..count).map(|_| rng.random_range(*low..=*high)).collect()
            }
            Fill::Repeated(values) => (0..count).map(|i| values[i % values.len()]).collect(),
            Fill::Pixels => panic!("'{}' is of pixels", value.name),
        };
        if halves && value.element == Element::Real {
            for v in &mut values {
                *v = half::f16::from_f32(*v).to_f32();
            }
        }
        values
    }

    /// The pixels of a filled value.
    pub fn pixels(&self, value: &Value) -> Vec<u32> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        (0..value.shape.elements()).map(|_| rng.random()).collect()
    }

    /// One node of a larger graph on its own, with random operands. Scratch
    /// stays what it is; all else is filled and read.
    pub fn of_node(graph: &Graph, node: &Node) -> Self {
        let mut case = Self::new(node.op.name(), Bound::of(1e-5));
        let scratch = node.op.scratch_names().len();
        let scratch = &node.outputs[node.outputs.len() - scratch..];
        let mut known: HashMap<ValueId, ValueId> = HashMap::new();
        let mut adopt = |case: &mut Case, id: ValueId| -> ValueId {
            let root = graph.root(id);
            for from in [root, id] {
                if known.contains_key(&from) {
                    continue;
                }
                let mut value = graph.value(from).clone();
                value.view_of = value.view_of.map(|(_, first)| (known[&root], first));
                if value.role != Role::Parameter && !scratch.contains(&from) {
                    value.role = Role::State;
                }
                if value.view_of.is_none() && !scratch.contains(&from) {
                    let fill = match value.element {
                        Element::Pixel => Fill::Pixels,
                        Element::Full | Element::Real => Fill::Uniform(-1.0, 1.0),
                    };
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

/// The weights of a case.
pub struct Filled<'a> {
    pub case: &'a Case,
    /// Whether numbers are rounded to f16.
    pub halves: bool,
}

impl Parameters for Filled<'_> {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ExecError> {
        let graph = &self.case.graph;
        let id = graph.find(name).ok_or_else(|| ExecError::Parameter {
            name: name.to_owned(),
            reason: "is not in the case".to_owned(),
        })?;
        let value = graph.value(id);
        assert_eq!(value.shape, shape, "{name}");
        Ok(Cow::Owned(self.case.values(value, self.halves)))
    }
}
