use super::GpuChooser;
use super::kernel::{Kernel, Source, blocks};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::{Loss, Norm};
use crate::plan::{Choice, NodeOperands};

/// Vectors of 4 channels that a workgroup adds up.
const PART: usize = 4096;

pub fn choose(chooser: &GpuChooser, node: &NodeOperands) -> Choice {
    let parts = parts(node.inputs[Loss::PREDICTION].shape());
    Choice {
        scratch: choice::scratch("partial_sums", parts),
        ..chooser.plain(node)
    }
}

fn vectors(shape: Shape) -> usize {
    shape.n * shape.c.div_ceil(4) * shape.pixels()
}

fn parts(shape: Shape) -> usize {
    vectors(shape).div_ceil(PART)
}

pub fn lower(source: &Source, op: &Loss) -> Result<Vec<Kernel>, String> {
    let prediction = source.input(Loss::PREDICTION);
    let shape = prediction.shape;
    let parts = parts(shape);
    let kernel = |entry: &'static str, sums_parts: bool| {
        Kernel::new("loss")
            .entry(entry)
            .number("PARTS", usize::from(sums_parts))
            .count("COUNT", shape.elements())
    };
    let norm = match op.norm {
        Norm::L1 => 1,
        Norm::L2 => 2,
    };
    let part = kernel("part_of_loss", true)
        .number("NORM", norm)
        .count("PART", PART)
        .uniform("count", vectors(shape))
        .uniform("of_sample", blocks(prediction) * shape.pixels())
        .input("prediction", source, Loss::PREDICTION)
        .input("wanted", source, Loss::TARGET)
        .input("scale", source, Loss::SCALE)
        .output("gradient", source, Loss::GRADIENT)
        .scratch_output("partial_sums", source, 0, parts)?
        .grid([parts, 1, 1]);
    let all = kernel("add_parts", false)
        .uniform("parts", parts)
        .scratch("partial_sums", source, 0, parts)?
        .output("loss", source, Loss::LOSS)
        .grid([1, 1, 1]);
    Ok(vec![part, all])
}
