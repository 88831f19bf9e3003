use super::GpuChooser;
use super::kernel::{Kernel, Source};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::LinearAttentionGradient;
use crate::plan::{Choice, NodeOperands};

/// Elements of the scratch arrays: statistics of the keys, and of each of the
/// heads' products.
fn scratch(op: &LinearAttentionGradient, qkv: Shape) -> [usize; 2] {
    let channels = qkv.n * op.heads * op.head_channels;
    [2 * channels, channels * op.head_channels]
}

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &LinearAttentionGradient) -> Choice {
    let qkv = node.inputs[LinearAttentionGradient::QKV].shape();
    let [statistics, products] = scratch(op, qkv);
    Choice {
        scratch: choice::scratch_arrays([
            ("statistics", statistics),
            ("context", products),
            ("dcontext", products),
        ]),
        ..chooser.plain(node)
    }
}

pub fn lower(source: &Source, op: &LinearAttentionGradient) -> Result<Vec<Kernel>, String> {
    let qkv = source.input(LinearAttentionGradient::QKV);
    let (n, blocks) = (qkv.shape.n, op.head_channels / 4);
    let [statistics, products] = scratch(op, qkv.shape);
    let kernel = |entry: &'static str, pass: usize| {
        Kernel::new("linear_attention_gradient")
            .entry(entry)
            .number("PASS", pass)
            .count("HEADS", op.heads)
            .count("HEAD_BLOCKS", blocks)
            .size(qkv)
            .input("qkv", source, LinearAttentionGradient::QKV)
    };
    let softmax = kernel("softmax_of_keys", 0)
        .scratch_output("statistics", source, 0, statistics)?
        .grid([blocks, op.heads, n]);
    let of_head = kernel("products_of_head", 1)
        .input("dy", source, LinearAttentionGradient::DY)
        .scratch("statistics", source, 0, statistics)?
        .scratch_output("context", source, 1, products)?
        .scratch_output("dcontext", source, 2, products)?
        .grid([blocks * blocks, op.heads, n]);
    let gradients = kernel("gradients", 2)
        .input("dy", source, LinearAttentionGradient::DY)
        .scratch("statistics", source, 0, statistics)?
        .scratch("context", source, 1, products)?
        .scratch("dcontext", source, 2, products)?
        .output("dqkv", source, 0)
        .pixel_grid(qkv, n * op.heads * blocks);
    Ok(vec![softmax, of_head, gradients])
}
