//! Nodes alone, in graphs of their own.

use crate::graph::{Graph, Node, ParameterError, Parameters, Role, Shape, Value, ValueId};
use crate::ops::{Op, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::borrow::Cow;
use std::collections::HashMap;

/// Name of the graphs' only phase.
pub const PHASE: &str = "node";

/// A graph of one node of a larger graph, all of its values states or parameters.
/// If `size` is given, its image has this height and width.
///
/// # Errors
/// When the operation cannot have an image of that size.
pub fn node_graph(graph: &Graph, node: &Node, size: Option<[usize; 2]>) -> Result<Graph, String> {
    let mut single = Graph {
        name: PHASE.to_owned(),
        ..Graph::default()
    };
    let mut ids: HashMap<ValueId, ValueId> = HashMap::new();
    let ids_of_node = || node.inputs.iter().chain(&node.outputs);
    let roots = ids_of_node().map(|&id| graph.root(id));
    for id in roots.chain(ids_of_node().copied()) {
        if ids.contains_key(&id) {
            continue;
        }
        let mut value = graph.value(id).clone();
        let root = graph.root(id);
        value.view_of = value.view_of.map(|(_, first)| (ids[&root], first));
        if value.role != Role::Parameter {
            value.role = Role::State;
        }
        ids.insert(id, ValueId(single.values.len()));
        single.values.push(value);
    }
    let new = |old: &[ValueId]| -> Vec<ValueId> { old.iter().map(|id| ids[id]).collect() };
    let node = Node {
        op: node.op.clone(),
        inputs: new(&node.inputs),
        outputs: new(&node.outputs),
    };
    if let Some(size) = size {
        resize(&mut single, &node, size)?;
    }
    single.nodes.push(node);
    Ok(single)
}

/// The size of a node's first operand with which its result has at most about
/// `pixels` pixels; none if it has them already.
pub fn smaller(graph: &Graph, node: &Node, pixels: usize) -> Option<[usize; 2]> {
    let shape = |ids: &[ValueId]| ids.first().map(|&id| graph.value(id).shape);
    let (x, y) = (shape(&node.inputs)?, shape(&node.outputs)?);
    // The class of the largest images begins at half its pixels.
    if y.n * y.pixels() <= 2 * pixels {
        return None;
    }
    let pixels = pixels / y.n;
    let height = pixels.isqrt().clamp(1, y.h);
    let width = (pixels / height).clamp(1, y.w);
    let height = (pixels / width).clamp(1, y.h);
    let of_x = |side: usize, x: usize, y: usize| (side * x).div_ceil(y).max(1);
    Some([of_x(height, x.h, y.h), of_x(width, x.w, y.w)])
}

/// Gives the node's image another size, and all values that lie beside it.
fn resize(graph: &mut Graph, node: &Node, [h, w]: [usize; 2]) -> Result<(), String> {
    let shape = |graph: &Graph, id: ValueId| graph.value(id).shape;
    let x = node.inputs.first().ok_or("has no operand")?;
    let (old_x, old_y) = (shape(graph, *x), shape(graph, node.outputs[0]));
    let new_y = match &node.op {
        Op::Conv2d(op) => [h, w].map(|side| side.div_ceil(op.stride)),
        Op::ConvTranspose2d(op) => [h, w].map(|side| side * op.stride),
        Op::UpsampleBicubic(op) => [h, w].map(|side| side * op.factor),
        Op::UpsampleNearest(op) => [h, w].map(|side| side * op.factor),
        _ => [h, w],
    };
    let side = |shape: Shape| [shape.h, shape.w];
    let roots: Vec<ValueId> = (0..graph.values.len())
        .map(|index| graph.root(ValueId(index)))
        .collect();
    let mut sizes: HashMap<ValueId, [usize; 2]> = HashMap::new();
    for &id in node.inputs.iter().chain(&node.outputs) {
        let value = graph.value(id);
        let is_y = node.outputs.contains(&id);
        let new = match value.role {
            Role::Parameter => continue,
            _ if id == *x => [h, w],
            _ if is_y || side(value.shape) == side(old_y) => new_y,
            _ if side(value.shape) == side(old_x) => [h, w],
            _ => side(value.shape),
        };
        let known = *sizes.entry(roots[id.0]).or_insert(new);
        ensure!(known == new, "'{}' would need two sizes", value.name);
    }
    for (value, root) in graph.values.iter_mut().zip(roots) {
        if let Some(&[h, w]) = sizes.get(&root) {
            value.shape = Shape {
                h,
                w,
                ..value.shape
            };
        }
    }
    let inputs: Vec<Shape> = node.inputs.iter().map(|&id| shape(graph, id)).collect();
    let outputs: Vec<Shape> = node.outputs.iter().map(|&id| shape(graph, id)).collect();
    let inferred = node.op.infer(&inputs)?;
    ensure!(inferred == outputs, "its result would not fit");
    Ok(())
}

/// Numbers that are exact in f16, so that formats differ in nothing but the
/// rounding of results: multiples of 1/256 from -1 to 1.
pub fn values(value: &Value) -> Vec<f32> {
    let seed = value.name.bytes().fold(7u64, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let mut random = StdRng::seed_from_u64(seed);
    let count = value.shape.elements();
    (0..count)
        .map(|_| random.random_range(-256..=256) as f32 / 256.0)
        .collect()
}

/// Arrays that the host fills: all but views of others, and weights.
pub fn arrays(graph: &Graph) -> impl Iterator<Item = &Value> {
    let is_array = |value: &&Value| value.role == Role::State && value.view_of.is_none();
    graph.values.iter().filter(is_array)
}

/// The weights of a node alone.
pub struct Weights(pub Graph);

impl Parameters for Weights {
    fn parameter(&self, name: &str, _: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        let Self(graph) = self;
        let id = graph.find(name).ok_or_else(|| ParameterError {
            name: name.to_owned(),
            reason: "is not in the graph".to_owned(),
        })?;
        Ok(Cow::Owned(values(graph.value(id))))
    }
}
