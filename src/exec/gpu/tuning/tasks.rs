//! What there is to time.

use super::{Tuning, class};
use crate::exec::gpu::AdapterSummary;
use crate::exec::gpu::kernels::{GpuChooser, variants};
use crate::graph::{Element, Graph, Node, Shape, ValueId};
use crate::ops::Op;
use crate::plan::{Choice, Chooser, Format, NodeOperands, PlanError, Variant, choose};
use std::cell::RefCell;
use std::mem::discriminant;

/// A graph as it is run, after fusion.
#[derive(Clone, Debug)]
pub struct Work {
    pub graph: Graph,
    /// How often it is run, beside the others.
    pub runs: u64,
}

/// A class of nodes that has several kernels, and a node of it.
pub struct Task<'a> {
    pub class: String,
    pub graph: &'a Graph,
    pub node: &'a Node,
    /// That of the static rule, the first of each other kind, and then the rest.
    pub variants: Vec<Variant>,
    pub flops: u64,
}

impl Task<'_> {
    /// How many kernels there are of different kinds: the first ones.
    pub fn kinds(&self) -> usize {
        let variants = &self.variants;
        let is_new = |&at: &usize| of_kind_before(variants, at) == 0;
        (0..variants.len()).take_while(is_new).count()
    }
}

/// The kinds in turn, each in its order.
fn kinds_in_turn(variants: &[Variant]) -> Vec<Variant> {
    let mut order: Vec<usize> = (0..variants.len()).collect();
    order.sort_by_key(|&at| of_kind_before(variants, at));
    order.into_iter().map(|at| variants[at]).collect()
}

/// How many are of one kind with that at `at`, and before it.
fn of_kind_before(variants: &[Variant], at: usize) -> usize {
    let kind = discriminant(&variants[at]);
    let before = variants[..at].iter();
    before.filter(|other| discriminant(*other) == kind).count()
}

/// All classes that a table says nothing about, those with the most work first.
///
/// # Errors
/// When the graphs cannot be planned.
pub fn tasks<'a>(
    work: &'a [Work],
    rule: GpuChooser,
    adapter: &AdapterSummary,
    known: &Tuning,
) -> Result<Vec<Task<'a>>, PlanError> {
    let lister = Lister {
        rule,
        adapter,
        known,
        seen: RefCell::default(),
    };
    let mut tasks: Vec<Task> = Vec::new();
    for Work { graph, runs } in work {
        choose(std::slice::from_ref(graph), &lister, false)?;
        let seen = lister.seen.take();
        let nodes = graph.nodes.iter().filter(|node| !is_moving(&node.op));
        for (node, seen) in nodes.zip(seen) {
            let Some((class, variants)) = seen else {
                continue;
            };
            let shapes = |ids: &[ValueId]| -> Vec<Shape> {
                ids.iter().map(|&id| graph.value(id).shape).collect()
            };
            let (inputs, outputs) = (shapes(&node.inputs), shapes(&node.outputs));
            let flops = runs * node.op.flops(&inputs, &outputs);
            match tasks.iter_mut().find(|task| task.class == class) {
                Some(task) => task.flops += flops,
                None => tasks.push(Task {
                    class,
                    graph,
                    node,
                    variants,
                    flops,
                }),
            }
        }
    }
    tasks.sort_by_key(|task| std::cmp::Reverse(task.flops));
    Ok(tasks)
}

/// Whether an operation only moves values from one format to another.
pub fn is_moving(op: &Op) -> bool {
    matches!(op, Op::Convert(_) | Op::Pack(_))
}

/// The class of a node, and its kernels.
type Listed = (String, Vec<Variant>);

/// Lists what there is to time, in the order of nodes.
struct Lister<'a> {
    rule: GpuChooser,
    adapter: &'a AdapterSummary,
    known: &'a Tuning,
    seen: RefCell<Vec<Option<Listed>>>,
}

impl Chooser for Lister<'_> {
    fn format(&self, element: Element) -> Format {
        self.rule.format(element)
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        let Self {
            rule,
            adapter,
            known,
            seen,
        } = self;
        if !is_moving(node.op) {
            let variants = variants(node, adapter);
            let is_known = known.variant(node, rule, adapter).is_some();
            let class = class(node, rule).filter(|_| variants.len() > 1 && !is_known);
            let class = class.map(|class| (class, kinds_in_turn(&variants)));
            seen.borrow_mut().push(class);
        }
        rule.choose(node)
    }
}
