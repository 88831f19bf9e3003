//! Kernels for every node of every phase.

use super::planner::PlanError;
use super::{
    Choice, Chooser, ChosenGraph, ChosenNode, Format, Layout, NodeOperands, Operand, Wanted,
};
use crate::graph::{Element, Graph, Node, Role, Shape, Value, ValueId};
use crate::ops::{Convert, Op, Pack, Packing};
use std::collections::HashMap;

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
    let mut packs = Packs::new(match trainable {
        true => Role::State,
        false => Role::Parameter,
    });
    let mut chosen = Vec::new();
    for graph in graphs {
        chosen.push(Walk::new(graph, chooser).run(&mut packs)?);
    }
    let pack = Walk::new(&packs.graph, chooser).run(&mut Packs::new(packs.role))?;
    chosen.insert(0, pack);
    Ok(chosen)
}

/// The graph of [`PACK`], which grows as kernels ask for weights.
struct Packs {
    graph: Graph,
    role: Role,
}

impl Packs {
    fn new(role: Role) -> Self {
        let mut graph = Graph::default();
        PACK.clone_into(&mut graph.name);
        Self { graph, role }
    }

    /// The packed form of a parameter, as a value for the graph that reads it.
    fn packed(&mut self, parameter: &Value, packing: &Packing) -> Value {
        let packed = Value {
            name: format!("{} as {packing}", parameter.name),
            role: Role::Packed,
            ..parameter.clone()
        };
        if self.graph.find(&packed.name).is_none() {
            let plain = self.graph.find(&parameter.name).unwrap_or_else(|| {
                self.add(Value {
                    role: self.role,
                    element: Element::Tensor,
                    ..parameter.clone()
                })
            });
            let packing = packing.clone();
            let packed = self.add(packed.clone());
            self.graph.nodes.push(Node {
                op: Op::Pack(Pack { packing }),
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
            let lives_on = value.role.is_persistent();
            lives_on.then(|| chooser.format(value.element))
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
            self.append(node, packs)?;
        }
        let format = |index: usize| match &self.packings[index] {
            Some(packing) => Format::new(Layout::ChannelsLast, packing.precision),
            None => {
                let root = self.root(ValueId(index)).0;
                self.formats[root].unwrap_or_else(|| self.chooser.format(self.values[root].element))
            }
        };
        let formats = (0..self.values.len()).map(format).collect();
        Ok(ChosenGraph {
            name: self.graph.name.clone(),
            values: self.values,
            formats,
            packings: self.packings,
            nodes: self.nodes,
        })
    }

    /// A value as it is in the graph, if choosing did not add it.
    fn value(&self, id: ValueId) -> &Value {
        self.graph.values.get(id.0).unwrap_or(&self.values[id.0])
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
                value: self.value(id),
                format: self.format(id),
                root: self.root(id),
            };
            ids.iter().map(operand).collect()
        };
        let (phase, op) = (&self.graph.name, node.op.name());
        let choice = self
            .chooser
            .choose(&NodeOperands {
                op: &node.op,
                inputs: operands(&node.inputs),
                outputs: operands(&node.outputs),
            })
            .map_err(|reason| PlanError::NoKernel {
                phase: phase.clone(),
                op: op.to_owned(),
                value: self.value(node.outputs[0]).name.clone(),
                reason,
            })?;
        let fits = choice.inputs.len() == node.inputs.len()
            && choice.outputs.len() == node.outputs.len()
            && node.inputs.iter().zip(&choice.inputs).all(|(id, wanted)| {
                let value = self.value(*id);
                match wanted {
                    Wanted::Value(_) => value.role != Role::Parameter || self.graph.name == PACK,
                    Wanted::Weight(packing) => {
                        value.role == Role::Parameter && packing.plain == value.shape
                    }
                }
            });
        match fits {
            true => Ok(choice),
            false => {
                let reason = "was given a kernel for other operands".to_owned();
                Err(PlanError::invalid(phase, op, reason))
            }
        }
    }

    fn append(&mut self, node: &Node, packs: &mut Packs) -> Result<(), PlanError> {
        let choice = self.choose(node)?;
        let mut inputs = Vec::new();
        for (&id, wanted) in node.inputs.iter().zip(&choice.inputs) {
            inputs.push(match wanted {
                Wanted::Value(format) => self.converted(id, *format)?,
                Wanted::Weight(packing) => self.weight(id, packing, packs),
            });
        }
        let mut outputs = Vec::new();
        let mut after = Vec::new();
        for (at, (&id, &format)) in node.outputs.iter().zip(&choice.outputs).enumerate() {
            let root = self.root(id);
            let kept = *self.formats[root.0].get_or_insert(format);
            if kept == format {
                outputs.push(id);
                continue;
            }
            // The operand, converted perhaps, that the kernel overwrites.
            let mut pairs = node.op.in_place().iter();
            let updated = pairs.find(|(result, _)| *result == at);
            let made = updated
                .map(|&(_, operand)| inputs[operand])
                .filter(|&made| self.format(made) == Some(format))
                .unwrap_or_else(|| self.temporary(id, format, "unconverted"));
            after.push((made, id));
            outputs.push(made);
        }
        let mut scratch = Vec::new();
        for request in &choice.scratch {
            let name = format!("{}.{}", self.values[outputs[0].0].name, request.name);
            let value = Value {
                name: self.unique(name),
                shape: Shape::new(1, 1, 1, request.bytes.div_ceil(4) as usize),
                role: Role::Temporary,
                element: Element::F32,
                segments: vec![1],
                view_of: None,
            };
            scratch.push(self.add(value, Some(Format::PLAIN)));
        }
        if let Op::Pack(pack) = &node.op {
            self.packings[outputs[0].0] = Some(pack.packing.clone());
        }
        self.push(&node.op, &choice, [inputs, outputs, scratch]);
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
        self.push(&node.op, &choice, [node.inputs, node.outputs, Vec::new()]);
        Ok(())
    }

    fn push(&mut self, op: &Op, choice: &Choice, [inputs, outputs, scratch]: [Vec<ValueId>; 3]) {
        self.nodes.push(ChosenNode {
            op: op.clone(),
            variant: choice.variant,
            inputs,
            outputs,
            scratch,
            thread_bytes: choice.thread_bytes,
        });
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

    /// A packed form of a parameter. The first one takes its place, because
    /// parameters are read in packed form alone.
    fn weight(&mut self, id: ValueId, packing: &Packing, packs: &mut Packs) -> ValueId {
        let packed = packs.packed(&self.graph.values[id.0], packing);
        let name = packed.name.clone();
        if let Some(&known) = self.packed.get(&name) {
            return known;
        }
        let made = match self.values[id.0].role {
            Role::Parameter => {
                self.values[id.0] = packed;
                id
            }
            _ => self.add(packed, None),
        };
        self.packings[made.0] = Some(packing.clone());
        self.packed.insert(name, made);
        made
    }

    fn add(&mut self, value: Value, format: Option<Format>) -> ValueId {
        self.values.push(value);
        self.formats.push(format);
        self.packings.push(None);
        ValueId(self.values.len() - 1)
    }

    /// The name, with a number behind it where it is taken.
    fn unique(&self, name: String) -> String {
        let taken = |name: &String| self.values.iter().any(|value| value.name == *name);
        let numbered = (2..).map(|number| format!("{name}.{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names
            .find(|name| !taken(name))
            .expect("there are enough numbers")
    }
}
