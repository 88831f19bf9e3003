//! What choosers said, and whether it was done: every kernel gets the formats,
//! packings and scratch memory it asked for, and no value is converted twice.

use super::checker::Planned;
use super::places::{array_bytes, root};
use srdiff::graph::{Element, Graph, Node, Role, ValueId};
use srdiff::ops::Op;
use srdiff::plan::{
    Choice, Chooser, ChosenGraph, ChosenNode, Format, NodeOperands, Precision, Wanted,
};
use std::cell::RefCell;
use std::collections::HashSet;

/// A node and its kernel.
pub struct Made {
    pub op: Op,
    pub choice: Choice,
}

/// Passes questions on to a chooser, and keeps the answers.
pub struct Recorder<'a> {
    chooser: &'a dyn Chooser,
    made: RefCell<Vec<Made>>,
}

impl<'a> Recorder<'a> {
    pub fn new(chooser: &'a dyn Chooser) -> Self {
        Self {
            chooser,
            made: RefCell::default(),
        }
    }

    pub fn into_made(self) -> Vec<Made> {
        self.made.into_inner()
    }
}

impl Chooser for Recorder<'_> {
    fn format(&self, element: Element) -> Format {
        self.chooser.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let choice = self.chooser.choose(node)?;
        self.made.borrow_mut().push(Made {
            op: node.op.clone(),
            choice: choice.clone(),
        });
        Ok(choice)
    }

    fn threads(&self) -> usize {
        self.chooser.threads()
    }

    fn precision(&self) -> Precision {
        self.chooser.precision()
    }
}

fn is_conversion(op: &Op) -> bool {
    matches!(op, Op::Convert(_))
}

/// Holds chosen nodes against the graph's and the chooser's answers.
pub fn check_choices(planned: &Planned, faults: &mut Vec<String>) {
    let made = planned.made.iter().filter(|made| !is_conversion(&made.op));
    let mut made = made.map(|made| &made.choice);
    // The phase that packs is chosen last, when all weights are known.
    let (pack, others) = planned.chosen.split_first().expect("PACK is there");
    for (index, graph) in others.iter().enumerate() {
        let source = &planned.graphs[index];
        let nodes = graph.nodes.iter().filter(|node| !is_conversion(&node.op));
        if nodes.clone().count() != source.nodes.len() {
            faults.push(format!("phase '{}' has other nodes", graph.name));
            return;
        }
        for (node, source) in nodes.zip(&source.nodes) {
            check_kernel(planned, index + 1, node, made.next(), faults);
            if node.op != source.op {
                faults.push(format!("{} became {}", source.op.name(), node.op.name()));
            }
        }
        check_conversions(source, graph, faults);
    }
    for node in &pack.nodes {
        check_kernel(planned, 0, node, made.next(), faults);
    }
}

/// The kernel gets what it asked for.
fn check_kernel(
    planned: &Planned,
    phase: usize,
    node: &ChosenNode,
    choice: Option<&Choice>,
    faults: &mut Vec<String>,
) {
    let (graph, values) = (
        &planned.chosen[phase],
        &planned.program.phases[phase].values,
    );
    let mut fault = |what: String| {
        let name = &graph.values[node.outputs[0].0].name;
        let (graph, op) = (&graph.name, node.op.name());
        faults.push(format!("phase '{graph}': {op} '{name}' {what}"));
    };
    let Some(choice) = choice else {
        return fault("was not chosen".to_owned());
    };
    let format = |id: ValueId| graph.formats[root(graph, id).0];
    for (&id, wanted) in node.inputs.iter().zip(&choice.inputs) {
        let name = &graph.values[id.0].name;
        match wanted {
            Wanted::Value(wanted) if format(id) != *wanted => {
                fault(format!("reads '{name}' in {}, not {wanted}", format(id)));
            }
            Wanted::Weight(wanted) if graph.packings[id.0].as_ref() != Some(wanted) => {
                fault(format!("reads '{name}', not packed as {wanted}"));
            }
            _ => {}
        }
    }
    for (&id, &wanted) in node.outputs.iter().zip(&choice.outputs) {
        if format(id) != wanted {
            fault(format!("writes in {}, not {wanted}", format(id)));
        }
    }
    for &(result, operand) in node.op.in_place() {
        if node.outputs[result] != node.inputs[operand] {
            fault(format!("does not update operand {operand} in place"));
        }
    }
    if (node.variant, node.thread_bytes) != (choice.variant, choice.thread_bytes) {
        fault("has another kernel".to_owned());
    }
    if node.scratch.len() != choice.scratch.len() {
        fault("has other scratch arrays".to_owned());
    }
    for (&id, request) in node.scratch.iter().zip(&choice.scratch) {
        let (value, bytes) = (&graph.values[id.0], array_bytes(&values[id.0]));
        let users = graph.nodes.iter().filter(|node| {
            let ids = node.inputs.iter().chain(&node.outputs);
            ids.chain(&node.scratch).any(|&other| other == id)
        });
        if value.role != Role::Temporary || value.view_of.is_some() || users.count() != 1 {
            fault(format!("works in '{}', which others use", value.name));
        }
        if bytes != request.bytes || format(id) != Format::PLAIN {
            fault(format!("works in {bytes} bytes of {}", format(id)));
        }
    }
}

/// Every conversion is needed: what it makes is read next, and nothing that is
/// still up to date had been converted to that format before.
fn check_conversions(source: &Graph, graph: &ChosenGraph, faults: &mut Vec<String>) {
    let mut copies: HashSet<(ValueId, Format)> = HashSet::new();
    let mut sources = source.nodes.iter();
    let id_of = |id: ValueId| source.find(&graph.values[id.0].name);
    let format = |id: ValueId| graph.formats[root(graph, id).0];
    // Converted since the last node of the graph, not read yet.
    let mut fresh: HashSet<ValueId> = HashSet::new();
    let mut nodes = graph.nodes.iter().peekable();
    while let Some(node) = nodes.next() {
        if is_conversion(&node.op) {
            let (from, to) = (node.inputs[0], node.outputs[0]);
            let name = &graph.values[from.0].name;
            if format(from) == format(to) {
                faults.push(format!("'{name}' is converted to what it is"));
            }
            match id_of(from) {
                Some(id) if !copies.insert((id, format(to))) => {
                    faults.push(format!("'{name}' is converted again"));
                }
                Some(_) => _ = fresh.insert(to),
                None => faults.push(format!("'{name}' is converted, but no value")),
            }
            continue;
        }
        fresh.retain(|id| !node.inputs.contains(id));
        for id in fresh.drain() {
            let name = &graph.values[id.0].name;
            faults.push(format!("'{name}' is made and not read"));
        }
        let Some(meant) = sources.next() else { return };
        // A result that its kernel writes in another format than the value has.
        for (&made, &id) in node.outputs.iter().zip(&meant.outputs) {
            if id_of(made) != Some(id) {
                let next = nodes.next_if(|next| is_conversion(&next.op));
                let arrives = next.is_some_and(|next| {
                    next.inputs == [made] && id_of(next.outputs[0]) == Some(id)
                });
                if !arrives {
                    let name = &source.value(id).name;
                    faults.push(format!("'{name}' is not converted to its own format"));
                }
            }
        }
        forget(source, meant, &mut copies);
    }
}

/// Copies of what a node overwrites are out of date.
fn forget(source: &Graph, node: &Node, copies: &mut HashSet<(ValueId, Format)>) {
    copies.retain(|&(id, _)| !node.outputs.iter().any(|&out| source.overlap(out, id)));
}
