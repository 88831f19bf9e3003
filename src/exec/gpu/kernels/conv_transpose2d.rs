use super::gemm_tile::{self, GemmTile};
use super::kernel::{Kernel, Source, blocks};
use super::register_tile::{self, RegisterTile, SIDE};
use super::{GpuChooser, conv_transpose2d_gemm, split};
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, ConvTranspose2d, Coordinate, Packing};
use crate::plan::{Choice, Layout, NodeOperands, Precision, Variant};

/// All kernels for a node, that of the static rule first.
pub fn variants(node: &NodeOperands, _: &ConvTranspose2d) -> Vec<Variant> {
    let mut variants = register_tile::variants(register_tile::tile(4, 2));
    variants.extend(gemm_tile::variants(node.outputs[0].shape().c));
    variants
}

/// A variant with what it needs to know.
enum Kind {
    RegisterTile(RegisterTile),
    Gemm(GemmTile),
}

impl Kind {
    fn of(variant: Variant) -> Result<Self, String> {
        let tile = RegisterTile::of(variant).map(Self::RegisterTile);
        let gemm = GemmTile::of(variant).map(Self::Gemm);
        tile.or(gemm).ok_or_else(|| super::unknown(variant))
    }
}

pub fn choose(
    chooser: &GpuChooser,
    node: &NodeOperands,
    op: &ConvTranspose2d,
    variant: Variant,
) -> Result<Choice, String> {
    let segments = &node.inputs[ConvTranspose2d::X].value.segments;
    let (outputs, precision) = (node.outputs[0].shape().c, chooser.precision);
    let packings = match Kind::of(variant)? {
        Kind::RegisterTile(tile) => packings(op, segments, outputs, tile, precision),
        Kind::Gemm(_) => conv_transpose2d_gemm::packings(op, segments, outputs, precision),
    };
    Ok(Choice {
        variant,
        ..chooser.weighted(node, packings)
    })
}

/// The weight: `[c, o, 2s, 2s]` to `[s row offsets][s column offsets][o / (4 * blocks)]
/// [c / 4][2][2][4 of c][4 * blocks of o]`; offset `f` and tap `t` stand for
/// kernel index `f + s * t`. And the bias.
fn packings(
    op: &ConvTranspose2d,
    segments: &[usize],
    outputs: usize,
    RegisterTile { blocks, .. }: RegisterTile,
    precision: Precision,
) -> [Packing; 2] {
    let s = op.stride;
    let inputs = Layout::ChannelBlocks4.stored_channels(segments);
    let weight = Packing {
        plain: Shape::new(segments.iter().sum(), outputs, 2 * s, 2 * s),
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(s, Coordinate::H, 1),
            Axis::new(s, Coordinate::W, 1),
            Axis::new(outputs.div_ceil(4 * blocks), Coordinate::C, 4 * blocks),
            Axis::new(inputs / 4, Coordinate::N, 4),
            Axis::new(2, Coordinate::H, s),
            Axis::new(2, Coordinate::W, s),
            Axis::new(4, Coordinate::N, 1),
            Axis::new(4 * blocks, Coordinate::C, 1),
        ],
        channels: Some(ChannelMap::new(Coordinate::N, segments, 4)),
        precision,
    };
    [weight, super::bias(outputs, blocks)]
}

pub fn lower(source: &Source, op: &ConvTranspose2d) -> Result<Vec<Kernel>, String> {
    match Kind::of(source.node.variant)? {
        Kind::RegisterTile(tile) => lower_register_tile(source, op, tile),
        Kind::Gemm(tile) => conv_transpose2d_gemm::lower(source, op, tile),
    }
}

fn lower_register_tile(
    source: &Source,
    op: &ConvTranspose2d,
    tile: RegisterTile,
) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(ConvTranspose2d::X), source.output(0));
    let precision = source.input(ConvTranspose2d::WEIGHT).format.precision;
    let packings = packings(op, &x.segments, y.shape.c, tile, precision);
    source.expect_packings(ConvTranspose2d::WEIGHT.., &packings)?;
    let make = |first: usize, count: usize| {
        Kernel::new("conv_transpose2d")
            .number("PIXELS", tile.pixels)
            .number("BLOCKS", tile.blocks)
            .count("STRIDE", op.stride)
            .count("IN_BLOCKS", blocks(x))
            .count("OUT_BLOCKS", blocks(y))
            .uniform("in_height", x.shape.h)
            .uniform("in_width", x.shape.w)
            .uniform("first_row", first * SIDE)
            .input("x", source, ConvTranspose2d::X)
            .input("w", source, ConvTranspose2d::WEIGHT)
            .f32_input("bias", source, ConvTranspose2d::BIAS)
            .output("y", source, 0)
            .grid([
                x.shape.w.div_ceil(SIDE * tile.pixels),
                count,
                x.shape.n * op.stride * op.stride * blocks(y).div_ceil(tile.blocks),
            ])
    };
    Ok(split::by_rows(source, x.shape.h.div_ceil(SIDE), make))
}
