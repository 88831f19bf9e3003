use super::kernel::{Kernel, Source, blocks};
use super::{GpuChooser, epilogue};
use crate::exec::choice;
use crate::ops::{GroupNorm, Packing};
use crate::plan::{Choice, NodeOperands};

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &GroupNorm) -> Choice {
    let x = node.inputs[GroupNorm::X].shape();
    Choice {
        scratch: choice::scratch("statistics", x.n * 2 * op.groups),
        ..chooser.weighted(node, packings(x.c))
    }
}

fn packings(channels: usize) -> [Packing; 2] {
    [super::bias(channels, 1), super::bias(channels, 1)]
}

pub fn lower(source: &Source, op: &GroupNorm) -> Result<Vec<Kernel>, String> {
    let x = source.input(GroupNorm::X);
    source.expect_packings(GroupNorm::WEIGHT.., &packings(x.shape.c))?;
    let kernel = |entry: &'static str, statistics: bool| {
        Kernel::new("group_norm")
            .entry(entry)
            .number("STATISTICS", usize::from(statistics))
            .count("CHANNELS", x.shape.c)
            .count("GROUPS", op.groups)
            .size(x)
            .input("x", source, GroupNorm::X)
    };
    let statistics = kernel("statistics_of_group", true)
        .constant("EPSILON", op.epsilon)
        .scratch_output("statistics", source, 0, x.shape.n * 2 * op.groups)?
        .grid([op.groups, x.shape.n, 1]);
    let normalize = kernel("normalize", false)
        .scratch("statistics", source, 0, x.shape.n * 2 * op.groups)?
        .f32_input("w", source, GroupNorm::WEIGHT)
        .f32_input("bias", source, GroupNorm::BIAS)
        .pixel_grid(x, x.shape.n * blocks(x));
    let normalize = epilogue::add(normalize, source, &op.epilogue, GroupNorm::OPERANDS);
    Ok(vec![statistics, normalize])
}
