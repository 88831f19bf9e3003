use super::GpuChooser;
use super::kernel::{Kernel, Source, blocks};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::ChannelSum;
use crate::plan::{Choice, Format, NodeOperands};

/// Pixels that a workgroup adds up.
const PART: usize = 4096;
/// Invocations of the workgroups that add up parts.
const WORKGROUP: usize = 64;

pub fn choose(chooser: &GpuChooser, node: &NodeOperands) -> Choice {
    Choice {
        scratch: choice::scratch("partial_sums", elements(node.inputs[0].shape())),
        ..chooser.plain(node)
    }
}

/// Parts of a plane.
fn parts(x: Shape) -> usize {
    x.pixels().div_ceil(PART)
}

/// Elements of the sums of parts.
fn elements(x: Shape) -> usize {
    x.n * x.c.next_multiple_of(4) * parts(x)
}

pub fn lower(source: &Source, op: &ChannelSum) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(0), source.output(0));
    let (parts, elements) = (parts(x.shape), elements(x.shape));
    let kernel = |entry: &'static str, sums_parts: bool| {
        Kernel::new("channel_sum")
            .entry(entry)
            .number("PARTS", usize::from(sums_parts))
            .uniform("blocks", blocks(x))
            .uniform("parts", parts)
    };
    let part = kernel("part_of_plane", true)
        .count("PART", PART)
        .uniform("pixels", x.shape.pixels())
        .input("x", source, 0)
        .scratch_output("partial_sums", source, 0, elements)?
        .grid([parts, blocks(x), x.shape.n]);
    let is_tensor = y.format == Format::TENSOR;
    let all = kernel("add_parts", false)
        .number("TENSOR", usize::from(is_tensor))
        .uniform("channels", x.shape.c)
        .uniform("samples", if op.per_sample { 1 } else { x.shape.n })
        .scratch("partial_sums", source, 0, elements)?
        .grid([blocks(x).div_ceil(WORKGROUP), y.shape.n, 1]);
    let all = match is_tensor {
        true => all.tensor_output("y", source, 0)?,
        false => all.output("y", source, 0),
    };
    Ok(vec![part, all])
}
