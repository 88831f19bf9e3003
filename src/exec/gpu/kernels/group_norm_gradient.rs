use super::GpuChooser;
use super::group_norm::Statistics;
use super::kernel::{Kernel, Source, blocks};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::GroupNormGradient;
use crate::plan::{Choice, NodeOperands};

/// Invocations of the workgroups that make the terms of channels.
const WORKGROUP: usize = 64;

/// Elements of the scratch arrays: statistics, sums and terms.
fn scratch(op: &GroupNormGradient, x: Shape) -> [usize; 3] {
    let channels = x.n * x.c.next_multiple_of(4);
    let statistics = Statistics::elements(x, op.groups);
    [statistics, 3 * channels, 3 * channels]
}

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &GroupNormGradient) -> Choice {
    let x = node.inputs[GroupNormGradient::X].shape();
    let [statistics, sums, terms] = scratch(op, x);
    let mut scratch =
        choice::scratch_arrays([("statistics", statistics), ("sums", sums), ("terms", terms)]);
    scratch.extend(Statistics::part_scratch(x, op.groups));
    Choice {
        scratch,
        ..chooser.weighted(node, [super::bias(x.c, 1)])
    }
}

pub fn lower(source: &Source, op: &GroupNormGradient) -> Result<Vec<Kernel>, String> {
    let x = source.input(GroupNormGradient::X);
    let weight = GroupNormGradient::WEIGHT;
    source.expect_packings(weight..=weight, &[super::bias(x.shape.c, 1)])?;
    let [statistics, sums, terms] = scratch(op, x.shape);
    let kernel = |entry: &'static str, pass: usize| {
        Kernel::new("group_norm_gradient")
            .entry(entry)
            .number("PASS", pass)
            .count("CHANNELS", x.shape.c)
            .count("GROUPS", op.groups)
    };
    let operands = |kernel: Kernel| {
        kernel
            .size(x)
            .input("x", source, GroupNormGradient::X)
            .input("dy", source, GroupNormGradient::DY)
    };
    let of_groups = Statistics {
        x: GroupNormGradient::X,
        groups: op.groups,
        epsilon: op.epsilon,
        scratch: 0,
        part_scratch: 3,
    };
    let mut kernels = of_groups.lower(source)?;
    let sums_of_channels = operands(kernel("sums_of_channels", 0))
        .scratch("statistics", source, 0, statistics)?
        .scratch_output("channel_sums", source, 1, sums)?
        .grid([blocks(x), x.shape.n, 1]);
    let terms_of_channels = kernel("terms_of_channels", 1)
        .uniform("samples", x.shape.n)
        .uniform("pixels", x.shape.pixels())
        .scratch("statistics", source, 0, statistics)?
        .scratch("channel_sums", source, 1, sums)?
        .f32_input("w", source, weight)
        .scratch_output("terms", source, 2, terms)?
        .tensor_output("dweight", source, 1)?
        .tensor_output("dbias", source, 2)?
        .grid([(4 * blocks(x)).div_ceil(WORKGROUP), x.shape.n, 1]);
    let gradient_of_x = operands(kernel("gradient_of_x", 2))
        .scratch("statistics", source, 0, statistics)?
        .scratch("terms", source, 2, terms)?
        .output("dx", source, 0)
        .pixel_grid(x, x.shape.n * blocks(x));
    kernels.extend([sums_of_channels, terms_of_channels, gradient_of_x]);
    Ok(kernels)
}
