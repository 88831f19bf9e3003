use super::GpuChooser;
use super::kernel::{Kernel, Source};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::LinearAttention;
use crate::plan::{Choice, NodeOperands};

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &LinearAttention) -> Choice {
    Choice {
        scratch: choice::scratch("context", elements(op, node.inputs[0].shape())),
        ..chooser.plain(node)
    }
}

/// Elements of the contexts of all heads.
fn elements(op: &LinearAttention, x: Shape) -> usize {
    x.n * op.heads * op.head_channels * op.head_channels
}

pub fn lower(source: &Source, op: &LinearAttention) -> Result<Vec<Kernel>, String> {
    let x = source.input(0);
    let blocks = op.head_channels / 4;
    let elements = elements(op, x.shape);
    let kernel = |entry: &'static str, context: bool| {
        Kernel::new("linear_attention")
            .entry(entry)
            .number("CONTEXT", usize::from(context))
            .count("HEADS", op.heads)
            .count("HEAD_BLOCKS", blocks)
            .size(x)
            .input("x", source, 0)
    };
    let context = kernel("context_of_head", true)
        .scratch_output("context", source, 0, elements)?
        .grid([blocks * blocks, op.heads, x.shape.n]);
    let attend = kernel("attend", false)
        .scratch("context", source, 0, elements)?
        .output("y", source, 0)
        .pixel_grid(x, x.shape.n * op.heads * blocks);
    Ok(vec![context, attend])
}
