use super::kernel::{Kernel, Source, blocks, word};
use super::{GpuChooser, split};
use crate::exec::choice;
use crate::graph::Shape;
use crate::ops::{ChannelMap, Conv2dWeightGradient, Coordinate, Padding, ensure};
use crate::plan::{Choice, Layout, NodeOperands};

/// Rows and blocks of outputs of a workgroup's tile.
const TILE: usize = 16;
/// Workgroups that keep a large GPU busy.
const WORKGROUPS: usize = 1024;
/// Pixels that a part has at least: with fewer, adding up the parts takes as
/// long as making them.
const PART_PIXELS: usize = 256;
/// Of the sums of all parts, unless one part needs more.
const SCRATCH_BYTES: usize = 32 << 20;
/// Channel groups that the shader's uniform struct has room for.
const MAX_GROUPS: usize = 16;
/// Invocations of the workgroups that add up parts.
const WORKGROUP: usize = 64;

/// How the product is divided.
struct Division {
    /// Taps of blocks of x.
    rows: usize,
    dy_blocks: usize,
    /// Of all samples.
    pixels: usize,
    /// Pixels of a part.
    part: usize,
    parts: usize,
}

impl Division {
    fn new(op: &Conv2dWeightGradient, x_segments: &[usize], dy: Shape) -> Self {
        let x_blocks = Layout::ChannelBlocks4.stored_channels(x_segments) / 4;
        let rows = op.kernel * op.kernel * x_blocks;
        let dy_blocks = dy.c.div_ceil(4);
        let pixels = dy.n * dy.pixels();
        let tiles = rows.div_ceil(TILE) * dy_blocks.div_ceil(TILE);
        let most = SCRATCH_BYTES / (64 * rows * dy_blocks).max(1);
        let wanted = WORKGROUPS.div_ceil(tiles.max(1)).min(most);
        let part = pixels.div_ceil(wanted.max(1)).max(PART_PIXELS);
        Self {
            rows,
            dy_blocks,
            pixels,
            part,
            parts: pixels.div_ceil(part),
        }
    }

    /// Vectors of 4 outputs of a part's sums.
    fn vectors(&self) -> usize {
        4 * self.rows * self.dy_blocks
    }

    /// Elements of all sums.
    fn elements(&self) -> usize {
        4 * self.vectors() * self.parts
    }
}

pub fn choose(
    chooser: &GpuChooser,
    node: &NodeOperands,
    op: &Conv2dWeightGradient,
) -> Result<Choice, String> {
    let segments = &node.inputs[Conv2dWeightGradient::X].value.segments;
    let groups = groups(segments).len();
    ensure!(
        groups <= MAX_GROUPS,
        "takes at most {MAX_GROUPS} channel groups with padding, not {groups}"
    );
    let dy = node.inputs[Conv2dWeightGradient::DY].shape();
    let division = Division::new(op, segments, dy);
    Ok(Choice {
        scratch: choice::scratch("partial_sums", division.elements()),
        ..chooser.plain(node)
    })
}

/// First stored channel, first channel and channels of groups that are padded.
fn groups(segments: &[usize]) -> Vec<[usize; 3]> {
    ChannelMap::new(Coordinate::C, segments, 4).groups()
}

pub fn lower(source: &Source, op: &Conv2dWeightGradient) -> Result<Vec<Kernel>, String> {
    let x = source.input(Conv2dWeightGradient::X);
    let dy = source.input(Conv2dWeightGradient::DY);
    let division = Division::new(op, &x.segments, dy.shape);
    let row_tiles = division.rows.div_ceil(TILE);
    let kernel = |entry: &'static str, sums_parts: bool| {
        Kernel::new("conv2d_weight_gradient")
            .entry(entry)
            .number("PARTS", usize::from(sums_parts))
            .count("X_BLOCKS", blocks(x))
            .count("DY_BLOCKS", division.dy_blocks)
    };
    let mut kernels = Vec::new();
    let units = division.parts * row_tiles;
    for (first, count) in split::rows(source, units, split::MAX_WORKGROUPS) {
        let mut part = kernel("part_of_product", true)
            .number("KERNEL", op.kernel)
            .number("STRIDE", op.stride);
        if op.kernel > 1 {
            part = part
                .number("PAD", op.pad())
                .number("REFLECT", usize::from(op.padding == Padding::Reflect));
        }
        let part = part
            .uniform("in_height", x.shape.h)
            .uniform("in_width", x.shape.w)
            .uniform("out_height", dy.shape.h)
            .uniform("out_width", dy.shape.w)
            .uniform("pixels", division.pixels)
            .uniform("part", division.part)
            .uniform("row_tiles", row_tiles)
            .uniform("first_unit", first)
            .input("x", source, Conv2dWeightGradient::X)
            .input("dy", source, Conv2dWeightGradient::DY)
            .scratch_output("partial_sums", source, 0, division.elements())?
            .grid([division.dy_blocks.div_ceil(TILE), count, 1]);
        kernels.push(part);
    }
    let groups = groups(&x.segments);
    let words = groups
        .iter()
        .flat_map(|&[stored, first, channels]| [stored, first, channels, 0].map(word));
    let all = kernel("add_parts", false)
        .uniform("count", division.vectors())
        .uniform("parts", division.parts)
        .uniform("taps", op.kernel * op.kernel)
        .uniform("outputs", dy.shape.c)
        .uniform("channels", x.shape.c)
        .uniform("segments_count", groups.len())
        .words("segments", words.collect())
        .scratch("partial_sums", source, 0, division.elements())?
        .tensor_output("dw", source, 0)?
        .element_grid(division.vectors(), WORKGROUP);
    kernels.push(all);
    Ok(kernels)
}
