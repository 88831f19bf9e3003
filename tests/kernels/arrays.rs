//! The arrays of a case: which parts nodes read and write, what they hold
//! before the run, padding included.

use crate::case::{Case, round};
use crate::reference::{Tensor, pack};
use srdiff::graph::{Graph, Node, Role, Shape, Value, ValueId};
use srdiff::ops::{Op, Packing};
use srdiff::plan::{Format, Layout, PlannedNode, PlannedValue, Precision, Program};
use std::collections::HashMap;

/// The phase of the case's graph; the one before it packs the weights.
const PHASE: usize = 1;

/// Name of the view of an array that shows its padding channels too.
fn stored(name: &str) -> String {
    format!("{name} with padding")
}

/// The arrays that the host fills and reads.
pub fn roots(graph: &Graph) -> impl Iterator<Item = (usize, &Value)> {
    let is_root = |value: &Value| value.role == Role::State && value.view_of.is_none();
    let values = graph.values.iter().enumerate();
    values.filter(move |(_, value)| is_root(value))
}

/// Adds to the program, for every array, a value that shows its padding too.
pub fn add_stored_views(graph: &Graph, program: &mut Program) -> HashMap<usize, PlannedValue> {
    let mut views = HashMap::new();
    for (index, value) in roots(graph) {
        let planned = program.phases[PHASE].find(&value.name);
        let planned = planned.expect("every array is planned");
        let channels = planned.stored_channels();
        let view = PlannedValue {
            name: stored(&value.name),
            shape: planned.shape.with_channels(channels),
            segments: vec![channels],
            ..planned.clone()
        };
        views.insert(index, view);
    }
    program.phases[PHASE].values.extend(views.values().cloned());
    views
}

/// Whether a gradient's kernel reads in bf16 what is stored in f32.
pub fn rounds_operands(graph: &Graph, program: &Program) -> bool {
    let is_gradient = |node: &Node| {
        matches!(
            node.op,
            Op::ActivationGradient(_) | Op::ChannelSum(_) | Op::Conv2dWeightGradient(_)
        )
    };
    let phase = &program.phases[PHASE];
    let rounds = |node: &PlannedNode| {
        let from = &phase.values[node.inputs[0]];
        let into = &phase.values[node.outputs[0]];
        matches!(node.op, Op::Convert(_))
            && graph.find(&from.name).is_some()
            && into.format.precision == Precision::Bf16
    };
    graph.nodes.iter().any(is_gradient) && phase.nodes.iter().any(rounds)
}

/// A packed weight.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    /// Name of the tensor.
    pub tensor: String,
    pub packing: Packing,
    /// The packed array element by element.
    pub elements: PlannedValue,
}

impl PackedWeight {
    /// What has to stand in the packed array.
    pub fn expected(&self, plain: &[f32]) -> Vec<f32> {
        let mut packed = pack(&self.packing, plain);
        round(&mut packed, self.packing.precision);
        packed
    }
}

/// Whether an element of a packed array may stand where another is expected:
/// another rounding of transformed kernels of numbers up to `largest`, otherwise
/// no other.
pub fn accepts(packing: &Packing, got: f32, want: f32, largest: f32) -> bool {
    match packing.winograd {
        Some(_) => (got - want).abs() <= 1e-6 * largest,
        None => got.to_bits() == want.to_bits(),
    }
}

/// The packed weights of a program.
pub fn packed_weights(program: &Program) -> Vec<PackedWeight> {
    let phase = &program.phases[0];
    let weight = |node: &PlannedNode| {
        let (plain, packed) = (
            &phase.values[node.inputs[0]],
            &phase.values[node.outputs[0]],
        );
        let packing = packed.packing.clone().expect("a packed weight");
        PackedWeight {
            tensor: plain.name.clone(),
            elements: PlannedValue {
                name: format!("{} element by element", packed.name),
                shape: Shape::new(1, 1, 1, packing.elements()),
                segments: vec![1],
                role: Role::Output,
                format: Format::new(Layout::ChannelsFirst, packing.precision),
                packing: None,
                channel_offset: 0,
                channel_stride: 1,
                slot: packed.slot,
            },
            packing,
        }
    };
    phase.nodes.iter().map(weight).collect()
}

/// For each stored channel its group, and its logical channel if it has one.
pub fn logical_channels(value: &Value, layout: Layout) -> Vec<(usize, Option<usize>)> {
    let mut channels = Vec::new();
    let mut first = 0;
    for (segment, &count) in value.segments.iter().enumerate() {
        for c in 0..count.next_multiple_of(layout.channel_alignment()) {
            channels.push((segment, (c < count).then_some(first + c)));
        }
        first += count;
    }
    channels
}

/// Channel groups of the array `index` that `id` covers.
fn covered(graph: &Graph, id: ValueId, index: usize) -> std::ops::Range<usize> {
    let value = graph.value(id);
    let (root, first) = value.view_of.unwrap_or((id, 0));
    if root.0 == index {
        first..first + value.segments.len()
    } else {
        0..0
    }
}

/// Which channel groups of an array the nodes write.
pub fn written(graph: &Graph, index: usize) -> Vec<bool> {
    let mut written = vec![false; graph.values[index].segments.len()];
    for node in &graph.nodes {
        for &id in &node.outputs {
            written[covered(graph, id, index)].fill(true);
        }
    }
    written
}

/// Which channel groups of an array hold nothing that any node reads before
/// it is written: the kernels must not care what is there.
fn unread(graph: &Graph, index: usize) -> Vec<bool> {
    let mut read = vec![false; graph.values[index].segments.len()];
    let mut written = read.clone();
    for node in &graph.nodes {
        for &id in &node.inputs {
            for segment in covered(graph, id, index) {
                read[segment] |= !written[segment];
            }
        }
        for &id in &node.outputs {
            written[covered(graph, id, index)].fill(true);
        }
    }
    written.iter().zip(&read).map(|(w, r)| *w && !r).collect()
}

/// What is written, padding included: operands as filled, with the case's
/// padding; NaN wherever a result goes; other channels random, with padding
/// that tells.
pub fn initial(case: &Case, index: usize, array: &PlannedValue) -> Vec<f32> {
    let value = &case.graph.values[index];
    let values = case.values(value, array.format.precision);
    let (unread, written) = (unread(&case.graph, index), written(&case.graph, index));
    let logical = logical_channels(value, array.format.layout);
    let used = |segment| {
        case.graph.nodes.iter().any(|node| {
            let mut inputs = node.inputs.iter();
            inputs.any(|&id| covered(&case.graph, id, index).contains(&segment))
        })
    };
    let plane = value.shape.pixels();
    let mut elements = Vec::with_capacity(array.shape.elements());
    for n in 0..value.shape.n {
        for &(segment, c) in &logical {
            for p in 0..plane {
                elements.push(match c {
                    _ if unread[segment] => f32::NAN,
                    Some(c) => values[(n * value.shape.c + c) * plane + p],
                    None if used(segment) || written[segment] => case.padding,
                    None => 7.5,
                });
            }
        }
    }
    elements
}

pub fn written_channels(value: &Value, written: &[bool]) -> Vec<usize> {
    let mut first = 0;
    let mut channels = Vec::new();
    for (&count, &written) in value.segments.iter().zip(written) {
        if written {
            channels.extend(first..first + count);
        }
        first += count;
    }
    channels
}

pub fn channels_of<'a>(
    tensor: &'a Tensor,
    channels: &'a [usize],
) -> impl Iterator<Item = f64> + 'a {
    let (c, plane) = (tensor.shape.c, tensor.shape.pixels());
    let values = tensor.data.iter().enumerate();
    values
        .filter(move |(at, _)| channels.contains(&(at / plane % c)))
        .map(|(_, &v)| v)
}
