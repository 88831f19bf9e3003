use super::kernel::{Kernel, Source, blocks};
use super::register_tile::{self, RegisterTile, SIDE};
use super::{GpuChooser, split};
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, ConvTranspose2dGradient, Coordinate, Packing};
use crate::plan::{Choice, Layout, NodeOperands, Precision};

const TILE: RegisterTile = register_tile::tile(4, 2);

pub fn choose(chooser: &GpuChooser, node: &NodeOperands, op: &ConvTranspose2dGradient) -> Choice {
    let segments = &node.inputs[ConvTranspose2dGradient::DY].value.segments;
    let channels = node.outputs[0].shape().c;
    chooser.weighted(node, [packing(op, segments, channels, chooser.precision)])
}

/// The weight: `[c, o, 2s, 2s]` to
/// `[c / (4 * blocks)][o / 4][2s][2s][4 of o][4 * blocks of c]`.
fn packing(
    op: &ConvTranspose2dGradient,
    segments: &[usize],
    channels: usize,
    precision: Precision,
) -> Packing {
    let side = 2 * op.stride;
    let wide = 4 * TILE.blocks;
    let stored = Layout::ChannelBlocks4.stored_channels(segments);
    Packing {
        plain: Shape::new(channels, segments.iter().sum(), side, side),
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(channels.div_ceil(wide), Coordinate::N, wide),
            Axis::new(stored / 4, Coordinate::C, 4),
            Axis::new(side, Coordinate::H, 1),
            Axis::new(side, Coordinate::W, 1),
            Axis::new(4, Coordinate::C, 1),
            Axis::new(wide, Coordinate::N, 1),
        ],
        channels: Some(ChannelMap::new(Coordinate::C, segments, 4)),
        precision,
    }
}

pub fn lower(source: &Source, op: &ConvTranspose2dGradient) -> Result<Vec<Kernel>, String> {
    let (dy, dx) = (source.input(ConvTranspose2dGradient::DY), source.output(0));
    let weight = ConvTranspose2dGradient::WEIGHT;
    let precision = source.input(weight).format.precision;
    let packing = packing(op, &dy.segments, dx.shape.c, precision);
    source.expect_packings(weight..=weight, &[packing])?;
    let rows = SIDE * TILE.pixels;
    let make = |first: usize, count: usize| {
        Kernel::new("conv_transpose2d_gradient")
            .number("ROWS", TILE.pixels)
            .number("BLOCKS", TILE.blocks)
            .count("STRIDE", op.stride)
            .count("DY_BLOCKS", blocks(dy))
            .count("DX_BLOCKS", blocks(dx))
            .size(dx)
            .uniform("first_row", first * rows)
            .input("dy", source, ConvTranspose2dGradient::DY)
            .input("w", source, weight)
            .output("dx", source, 0)
            .grid([
                dx.shape.w.div_ceil(SIDE),
                count,
                dx.shape.n * blocks(dx).div_ceil(TILE.blocks),
            ])
    };
    Ok(split::by_rows(source, dx.shape.h.div_ceil(rows), make))
}
