//! A case in f64.

use crate::case::Case;
use crate::reference::{Tensor, evaluate};
use srdiff::graph::ValueId;
use srdiff::plan::Precision;
use std::collections::HashMap;

/// How arrays and weights are stored, by the value's index.
pub type Precisions = HashMap<usize, Precision>;

/// Every array after the nodes, in f64.
pub fn reference(case: &Case, precisions: &Precisions) -> HashMap<usize, Tensor> {
    let graph = &case.graph;
    let mut tensors: HashMap<usize, Tensor> = HashMap::new();
    for (index, value) in graph.values.iter().enumerate() {
        if value.view_of.is_some() {
            continue;
        }
        let values = case.values(value, precisions[&index]);
        let data = values.into_iter().map(f64::from).collect();
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
