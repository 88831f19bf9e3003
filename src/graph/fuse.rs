//! Fusion: pointwise operations become epilogues of what they read.

use super::{Graph, Node, Role, ValueId, find_clash};
use crate::ops::Op;

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
    let is_whole = value.view_of.is_none()
        && !graph
            .values
            .iter()
            .any(|v| v.view_of.is_some_and(|(of, _)| of == x));
    if value.role != Role::Temporary || !is_whole || readers(nodes, x) != 1 {
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
    let clash = find_clash(&fused.op, &fused.inputs, &fused.outputs, |a, b| {
        graph.overlap(*a, *b)
    });
    (!overwritten && clash.is_none()).then_some((producer, fused))
}

/// How many times `x` is read.
fn readers(nodes: &[Option<Node>], x: ValueId) -> usize {
    let reads = nodes.iter().flatten().flat_map(|node| &node.inputs);
    reads.filter(|&&id| id == x).count()
}

/// The graph with these nodes, and the values that they use.
fn without_unused(graph: &Graph, nodes: Vec<Node>) -> Graph {
    let mut used = vec![false; graph.values.len()];
    for &id in nodes
        .iter()
        .flat_map(|node| node.inputs.iter().chain(&node.outputs))
    {
        used[id.0] = true;
        used[graph.root(id).0] = true;
    }
    // What no node of the graph as it was built uses is a mistake of its
    // builder, which planning reports.
    let mut known = vec![false; graph.values.len()];
    for &id in graph
        .nodes
        .iter()
        .flat_map(|node| node.inputs.iter().chain(&node.outputs))
    {
        known[id.0] = true;
    }
    let keep =
        |index: usize| used[index] || !known[index] || graph.values[index].role != Role::Temporary;
    let mut new_ids = vec![None; graph.values.len()];
    let mut values = Vec::new();
    for (index, value) in graph.values.iter().enumerate() {
        if keep(index) {
            new_ids[index] = Some(ValueId(values.len()));
            values.push(value.clone());
        }
    }
    let renamed = |id: &ValueId| new_ids[id.0].expect("a value that is used is kept");
    for value in &mut values {
        value.view_of = value.view_of.map(|(of, first)| (renamed(&of), first));
    }
    let nodes = nodes
        .into_iter()
        .map(|node| Node {
            inputs: node.inputs.iter().map(renamed).collect(),
            outputs: node.outputs.iter().map(renamed).collect(),
            ..node
        })
        .collect();
    Graph {
        name: graph.name.clone(),
        values,
        nodes,
    }
}
