//! Fusion: pointwise operations become epilogues of what they read.

use super::{Graph, Node, Role, ValueId, find_clash};
use crate::ops::Op;
use std::collections::{HashMap, HashSet};

/// Folds each pointwise operation into the operation that makes its operand,
/// where that has an epilogue, nobody else reads the operand, and one epilogue
/// can do both ([`crate::ops::Epilogue::then`]). Values that are no longer made are
/// dropped.
///
/// Inference runs fused graphs. Training keeps graphs as they were built: it
/// needs what fusion does away with.
pub fn fuse(graph: &Graph) -> Graph {
    let mut nodes: Vec<Option<Node>> = graph.nodes.iter().cloned().map(Some).collect();
    for at in 0..nodes.len() {
        // Again and again, for what it was folded into may be pointwise too.
        while let Some((producer, fused)) = fold(graph, &nodes, at) {
            nodes[producer] = None;
            nodes[at] = Some(fused);
        }
    }
    without_unused(graph, nodes.into_iter().flatten().collect())
}

/// The pointwise node `at` and the producer of its operand as one node, which
/// takes the place of the former; with the index of the producer.
fn fold(graph: &Graph, nodes: &[Option<Node>], at: usize) -> Option<(usize, Node)> {
    let node = nodes[at].as_ref()?;
    let Op::Pointwise(pointwise) = &node.op else {
        return None;
    };
    let x = *node.inputs.first()?;
    let value = graph.value(x);
    let mut views = graph.values.iter().filter_map(|value| value.view_of);
    let is_whole = value.view_of.is_none() && views.all(|(of, _)| of != x);
    let reads = nodes.iter().flatten().flat_map(|node| &node.inputs);
    let readers = reads.filter(|&&id| id == x).count();
    if value.role != Role::Temporary || !is_whole || readers != 1 {
        return None;
    }
    let producer = nodes[..at]
        .iter()
        .rposition(|node| node.as_ref().is_some_and(|node| node.outputs == [x]))?;
    let made_by = nodes[producer].as_ref()?;
    let (epilogue, base) = made_by.op.epilogue()?;
    let folded = epilogue.then(&pointwise.epilogue)?;

    let (own, mine) = (&made_by.inputs[base..], &node.inputs[1..]);
    let tables = usize::from(epilogue.table_add);
    let my_tables = usize::from(pointwise.epilogue.table_add);
    let mut inputs = made_by.inputs[..base].to_vec();
    inputs.extend(own[..tables].iter().chain(&mine[..my_tables]));
    inputs.extend(own[tables..].iter().chain(&mine[my_tables..]));
    let mut fused = Node {
        op: made_by.op.clone(),
        inputs,
        outputs: node.outputs.clone(),
    };
    *fused.op.epilogue_mut()? = folded;

    // What the producer reads must still be there.
    let between = nodes[producer + 1..at].iter().flatten();
    let overwritten = between.flat_map(|node| &node.outputs).any(|&output| {
        let mut reads = made_by.inputs.iter();
        reads.any(|&input| graph.overlap(output, input))
    });
    let clash = find_clash(
        &fused.op,
        &fused.inputs,
        &fused.outputs,
        PartialEq::eq,
        |a, b| graph.overlap(*a, *b),
    );
    (!overwritten && clash.is_none()).then_some((producer, fused))
}

/// The graph with these nodes, and the values that they use.
fn without_unused(graph: &Graph, nodes: Vec<Node>) -> Graph {
    let touched = |nodes: &[Node]| -> HashSet<ValueId> {
        let ids = |node: &Node| [&node.inputs[..], &node.outputs].concat();
        let ids = nodes.iter().flat_map(ids);
        ids.flat_map(|id| [id, graph.root(id)]).collect()
    };
    // What no node of the graph as it was built uses is a mistake of its
    // builder, which planning reports.
    let (used, known) = (touched(&nodes), touched(&graph.nodes));
    let mut new_ids = HashMap::new();
    let mut fused = Graph {
        name: graph.name.clone(),
        values: Vec::new(),
        nodes,
    };
    for (index, value) in graph.values.iter().enumerate() {
        let id = ValueId(index);
        if used.contains(&id) || !known.contains(&id) || value.role != Role::Temporary {
            new_ids.insert(id, ValueId(fused.values.len()));
            fused.values.push(value.clone());
        }
    }
    for value in &mut fused.values {
        value.view_of = value.view_of.map(|(of, first)| (new_ids[&of], first));
    }
    for node in &mut fused.nodes {
        for id in node.inputs.iter_mut().chain(&mut node.outputs) {
            *id = new_ids[id];
        }
    }
    fused
}
