//! Kernels for every node of every phase.

use super::planner::PlanError;
use super::{Choice, Chooser, ChosenGraph, ChosenNode, Format, NodeOperands, Operand, Wanted};
use crate::graph::{Element, Graph, Node, Role, Shape, Value, ValueId};
use crate::ops::{Convert, Op, Pack, Packing};
use std::collections::{HashMap, HashSet};

/// Name of the phase that packs the parameters. It comes first, and runs
/// whenever parameters have changed: when a model is loaded, or trained.
pub const PACK: &str = "pack";

/// Chooses a kernel for every node.
///
/// The result starts with the phase [`PACK`], which makes of each parameter
/// what kernels read. Where a kernel wants a format that a value does not
/// have, a conversion is put in front of it or behind it.
///
/// With `trainable`, parameters keep memory of their own: the host or a kernel
/// may change them, and [`PACK`] may run again.
///
/// # Errors
/// When the device has no kernel for a node.
pub fn choose(
    graphs: &[Graph],
    chooser: &dyn Chooser,
    trainable: bool,
) -> Result<Vec<ChosenGraph>, PlanError> {
    let mut packs = Packs::new(trainable);
    let mut chosen = Vec::new();
    for graph in graphs {
        chosen.push(Walk::new(graph, chooser).run(&mut packs)?);
    }
    chosen.insert(
        0,
        Walk::new(&packs.graph, chooser).run(&mut Packs::new(false))?,
    );
    Ok(chosen)
}

/// The graph of [`PACK`], which grows as kernels ask for weights.
struct Packs {
    graph: Graph,
    known: HashSet<String>,
    role: Role,
}

impl Packs {
    fn new(trainable: bool) -> Self {
        Self {
            graph: Graph {
                name: PACK.to_owned(),
                values: Vec::new(),
                nodes: Vec::new(),
            },
            known: HashSet::new(),
            role: match trainable {
                true => Role::State,
                false => Role::Parameter,
            },
        }
    }

    /// The packed form of a parameter, as a value for the graph that reads it.
    fn packed(&mut self, parameter: &Value, packing: &Packing) -> Value {
        let packed = Value {
            name: format!("{} as {packing}", parameter.name),
            role: Role::Packed,
            ..parameter.clone()
        };
        if self.known.insert(packed.name.clone()) {
            let plain = self.graph.find(&parameter.name).unwrap_or_else(|| {
                self.add(Value {
                    role: self.role,
                    element: Element::F32,
                    ..parameter.clone()
                })
            });
            let packed = self.add(packed.clone());
            self.graph.nodes.push(Node {
                op: Op::Pack(Pack {
                    packing: packing.clone(),
                }),
                inputs: vec![plain],
                outputs: vec![packed],
            });
        }
        packed
    }

    fn add(&mut self, value: Value) -> ValueId {
        self.graph.values.push(value);
        ValueId(self.graph.values.len() - 1)
    }
}

/// One pass over a graph.
struct Walk<'a> {
    graph: &'a Graph,
    chooser: &'a dyn Chooser,
    values: Vec<Value>,
    /// Of root values that something has written, or that live on.
    formats: Vec<Option<Format>>,
    nodes: Vec<ChosenNode>,
    /// Converted copies of values, as long as they are up to date.
    converted: HashMap<(ValueId, Format), ValueId>,
    packed: HashMap<String, ValueId>,
    packings: Vec<Option<Packing>>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph, chooser: &'a dyn Chooser) -> Self {
        let format_of = |value: &Value| {
            if graph.name == PACK {
                return (value.role != Role::Packed).then_some(Format::TENSOR);
            }
            value
                .role
                .is_persistent()
                .then(|| chooser.format(value.element))
        };
        Self {
            graph,
            chooser,
            values: graph.values.clone(),
            formats: graph.values.iter().map(format_of).collect(),
            nodes: Vec::new(),
            converted: HashMap::new(),
            packed: HashMap::new(),
            packings: vec![None; graph.values.len()],
        }
    }

    fn run(mut self, packs: &mut Packs) -> Result<ChosenGraph, PlanError> {
        for node in &self.graph.nodes {
            let choice = self.choose(node)?;
            self.append(node, choice, packs)?;
        }
        let graph = self.graph;
        let formats = (0..self.values.len())
            .map(|index| {
                let root = self.values[index].view_of.map_or(index, |(of, _)| of.0);
                self.formats[root].unwrap_or_else(|| self.chooser.format(self.values[root].element))
            })
            .collect();
        // Parameters are read in packed form alone.
        let mut chosen = ChosenGraph {
            name: graph.name.clone(),
            values: self.values,
            formats,
            packings: self.packings,
            nodes: self.nodes,
        };
        if chosen.name != PACK {
            drop_parameters(&mut chosen);
        }
        Ok(chosen)
    }

    fn root(&self, id: ValueId) -> ValueId {
        self.values[id.0].view_of.map_or(id, |(of, _)| of)
    }

    fn format(&self, id: ValueId) -> Option<Format> {
        self.formats[self.root(id).0]
    }

    /// Asks the chooser, and holds its answer against the node.
    fn choose(&self, node: &Node) -> Result<Choice, PlanError> {
        let operands = |ids: &[ValueId]| -> Vec<Operand> {
            let operand = |&id: &ValueId| Operand {
                value: &self.values[id.0],
                format: self.format(id),
                root: self.root(id),
            };
            ids.iter().map(operand).collect()
        };
        let wrong = |reason: String| PlanError::Node {
            phase: self.graph.name.clone(),
            op: node.op.name(),
            reason,
        };
        let choice = self
            .chooser
            .choose(&NodeOperands {
                op: &node.op,
                inputs: operands(&node.inputs),
                outputs: operands(&node.outputs),
            })
            .map_err(wrong)?;
        let fits = choice.inputs.len() == node.inputs.len()
            && choice.outputs.len() == node.outputs.len()
            && node.inputs.iter().zip(&choice.inputs).all(|(id, wanted)| {
                let value = &self.values[id.0];
                match wanted {
                    Wanted::Value(_) => value.role != Role::Parameter || self.graph.name == PACK,
                    Wanted::Weight(packing) => {
                        value.role == Role::Parameter && packing.plain == value.shape
                    }
                }
            });
        match fits {
            true => Ok(choice),
            false => Err(wrong("was given a kernel for other operands".to_owned())),
        }
    }

    fn append(&mut self, node: &Node, choice: Choice, packs: &mut Packs) -> Result<(), PlanError> {
        let mut inputs = Vec::new();
        for (&id, wanted) in node.inputs.iter().zip(&choice.inputs) {
            inputs.push(match wanted {
                Wanted::Value(format) => self.converted(id, *format)?,
                Wanted::Weight(packing) => {
                    let packed = packs.packed(&self.graph.values[id.0], packing);
                    self.weight(packed, packing)
                }
            });
        }
        let mut outputs = Vec::new();
        let mut after = Vec::new();
        for (at, (&id, &format)) in node.outputs.iter().zip(&choice.outputs).enumerate() {
            let root = self.root(id);
            let kept = *self.formats[root.0].get_or_insert(format);
            outputs.push(match kept == format {
                true => id,
                false => {
                    let updated = self.updated(node, at, &inputs);
                    let made = match updated.filter(|&made| self.format(made) == Some(format)) {
                        Some(made) => made,
                        None => self.temporary(id, format, "unconverted"),
                    };
                    after.push((made, id));
                    made
                }
            });
        }
        let scratch = choice.scratch.iter().map(|request| {
            let words = request.bytes.div_ceil(4) as usize;
            let name = format!("{}.{}", self.values[outputs[0].0].name, request.name);
            let shape = Shape::new(1, 1, 1, words);
            (self.unique(name), shape)
        });
        let scratch: Vec<(String, Shape)> = scratch.collect();
        let scratch = scratch.into_iter().map(|(name, shape)| {
            let value = Value {
                name,
                shape,
                role: Role::Temporary,
                element: Element::F32,
                segments: vec![1],
                view_of: None,
            };
            self.add(value, Some(Format::PLAIN))
        });
        let scratch = scratch.collect();
        if let Op::Pack(pack) = &node.op {
            self.packings[outputs[0].0] = Some(pack.packing.clone());
        }
        self.nodes.push(ChosenNode {
            op: node.op.clone(),
            variant: choice.variant,
            inputs,
            outputs,
            scratch,
            thread_bytes: choice.thread_bytes,
        });
        for (from, to) in after {
            self.convert(from, to)?;
        }
        // Converted copies of what was overwritten are out of date.
        self.converted.retain(|&(id, _), _| {
            let mut written = node.outputs.iter();
            !written.any(|&output| self.graph.overlap(output, id))
        });
        Ok(())
    }

    /// The operand, converted perhaps, that the kernel overwrites with result
    /// `at` in place.
    fn updated(&self, node: &Node, at: usize, inputs: &[ValueId]) -> Option<ValueId> {
        let mut pairs = node.op.in_place().iter();
        let (_, operand) = pairs.find(|(result, _)| *result == at)?;
        Some(inputs[*operand])
    }

    /// `id` in this format.
    fn converted(&mut self, id: ValueId, format: Format) -> Result<ValueId, PlanError> {
        if self.format(id).is_none_or(|known| known == format) {
            return Ok(id);
        }
        if let Some(&known) = self.converted.get(&(id, format)) {
            return Ok(known);
        }
        let made = self.temporary(id, format, "converted");
        self.convert(id, made)?;
        self.converted.insert((id, format), made);
        Ok(made)
    }

    /// Appends a conversion between two values that are there.
    fn convert(&mut self, from: ValueId, to: ValueId) -> Result<(), PlanError> {
        let node = Node {
            op: Op::Convert(Convert {}),
            inputs: vec![from],
            outputs: vec![to],
        };
        let choice = self.choose(&node)?;
        self.nodes.push(ChosenNode {
            op: node.op,
            variant: choice.variant,
            inputs: node.inputs,
            outputs: node.outputs,
            scratch: Vec::new(),
            thread_bytes: choice.thread_bytes,
        });
        Ok(())
    }

    /// A temporary like `id` in another format.
    fn temporary(&mut self, id: ValueId, format: Format, suffix: &str) -> ValueId {
        let like = &self.values[id.0];
        let value = Value {
            name: self.unique(format!("{}.{suffix}", like.name)),
            role: Role::Temporary,
            view_of: None,
            ..like.clone()
        };
        self.add(value, Some(format))
    }

    fn weight(&mut self, packed: Value, packing: &Packing) -> ValueId {
        if let Some(&id) = self.packed.get(&packed.name) {
            return id;
        }
        let format = Format {
            precision: packing.precision,
            ..Format::PLAIN
        };
        let name = packed.name.clone();
        let id = self.add(packed, Some(format));
        self.packings[id.0] = Some(packing.clone());
        self.packed.insert(name, id);
        id
    }

    fn add(&mut self, value: Value, format: Option<Format>) -> ValueId {
        self.values.push(value);
        self.formats.push(format);
        self.packings.push(None);
        ValueId(self.values.len() - 1)
    }

    /// The name, or that with a number behind it where it is taken.
    fn unique(&self, name: String) -> String {
        let taken = |name: &str| self.values.iter().any(|value| value.name == name);
        if !taken(&name) {
            return name;
        }
        let mut names = (2..).map(|number| format!("{name}.{number}"));
        names
            .find(|name| !taken(name))
            .expect("there are enough numbers")
    }
}

/// Takes out the parameters, which nothing reads any more.
fn drop_parameters(graph: &mut ChosenGraph) {
    let mut new_ids = vec![ValueId(usize::MAX); graph.values.len()];
    let (mut values, mut formats, mut packings) = (Vec::new(), Vec::new(), Vec::new());
    for (index, value) in graph.values.drain(..).enumerate() {
        if value.role != Role::Parameter {
            new_ids[index] = ValueId(values.len());
            values.push(value);
            formats.push(graph.formats[index]);
            packings.push(graph.packings[index].take());
        }
    }
    for value in &mut values {
        value.view_of = value.view_of.map(|(of, first)| (new_ids[of.0], first));
    }
    for node in &mut graph.nodes {
        let ids = node.inputs.iter_mut().chain(&mut node.outputs);
        for id in ids.chain(&mut node.scratch) {
            *id = new_ids[id.0];
        }
    }
    (graph.values, graph.formats, graph.packings) = (values, formats, packings);
}
