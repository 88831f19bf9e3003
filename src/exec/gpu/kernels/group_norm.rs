use super::kernel::{Kernel, Source, blocks};
use super::{GpuChooser, epilogue};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::{GroupNorm, Packing};
use crate::plan::{Choice, NodeOperands, ScratchRequest};

/// Pixels of a group that a workgroup works on.
const PART: usize = 4096;

/// What makes the statistics of groups, in one dispatch or, of a large image, in
/// two.
pub struct Statistics {
    /// Index of x among the operands.
    pub x: usize,
    pub groups: usize,
    pub epsilon: f32,
    /// Index of the scratch array that they are written to.
    pub scratch: usize,
    /// Index of that of the parts' statistics, if there are several.
    pub part_scratch: usize,
}

impl Statistics {
    /// Elements of the statistics.
    pub fn elements(x: Shape, groups: usize) -> usize {
        x.n * 2 * groups
    }

    /// The scratch array of the parts' statistics, if there are several.
    pub fn part_scratch(x: Shape, groups: usize) -> Vec<ScratchRequest> {
        match parts(x) {
            0 | 1 => Vec::new(),
            parts => choice::scratch("part_statistics", x.n * groups * parts * 4),
        }
    }

    pub fn lower(&self, source: &Source) -> Result<Vec<Kernel>, String> {
        let x = source.input(self.x);
        let kernel = |entry: &'static str, number: usize| {
            Kernel::new("group_norm")
                .entry(entry)
                .number("STATISTICS", number)
                .count("GROUPS", self.groups)
                .grid([self.groups, x.shape.n, 1])
        };
        let over_x = |kernel: Kernel| {
            kernel
                .count("CHANNELS", x.shape.c)
                .size(x)
                .input("x", source, self.x)
        };
        let into_statistics = |kernel: Kernel| {
            let elements = Self::elements(x.shape, self.groups);
            kernel.constant("EPSILON", self.epsilon).scratch_output(
                "statistics",
                source,
                self.scratch,
                elements,
            )
        };
        let parts = parts(x.shape);
        if parts <= 1 {
            let of_group = over_x(kernel("statistics_of_group", 1));
            return Ok(vec![into_statistics(of_group)?]);
        }
        let elements = x.shape.n * self.groups * parts * 4;
        let of_part = over_x(kernel("statistics_of_part", 2))
            .count("PART", PART)
            .uniform("parts", parts)
            .scratch_output("part_statistics", source, self.part_scratch, elements)?
            .grid([self.groups, x.shape.n, parts]);
        let join = kernel("join_parts", 3).uniform("parts", parts).scratch(
            "part_statistics",
            source,
            self.part_scratch,
            elements,
        )?;
        Ok(vec![of_part, into_statistics(join)?])
    }
}

fn parts(x: Shape) -> usize {
    x.pixels().div_ceil(PART)
}

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &GroupNorm) -> Choice {
    let x = node.inputs[GroupNorm::X].shape();
    let mut scratch = choice::scratch("statistics", Statistics::elements(x, op.groups));
    scratch.extend(Statistics::part_scratch(x, op.groups));
    Choice {
        scratch,
        ..chooser.weighted(node, packings(x.c))
    }
}

fn packings(channels: usize) -> [Packing; 2] {
    [super::bias(channels, 1), super::bias(channels, 1)]
}

pub fn lower(source: &Source, op: &GroupNorm) -> Result<Vec<Kernel>, String> {
    let x = source.input(GroupNorm::X);
    source.expect_packings(GroupNorm::WEIGHT.., &packings(x.shape.c))?;
    let statistics = Statistics {
        x: GroupNorm::X,
        groups: op.groups,
        epsilon: op.epsilon,
        scratch: 0,
        part_scratch: 1,
    };
    let mut kernels = statistics.lower(source)?;
    let elements = Statistics::elements(x.shape, op.groups);
    let normalize = Kernel::new("group_norm")
        .entry("normalize")
        .number("STATISTICS", 0)
        .count("CHANNELS", x.shape.c)
        .count("GROUPS", op.groups)
        .size(x)
        .input("x", source, GroupNorm::X)
        .scratch("statistics", source, 0, elements)?
        .f32_input("w", source, GroupNorm::WEIGHT)
        .f32_input("bias", source, GroupNorm::BIAS)
        .pixel_grid(x, x.shape.n * blocks(x));
    kernels.push(epilogue::add(
        normalize,
        source,
        &op.epilogue,
        GroupNorm::OPERANDS,
    ));
    Ok(kernels)
}
