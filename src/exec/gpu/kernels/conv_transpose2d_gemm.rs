use super::gemm_tile::GemmTile;
use super::kernel::{Kernel, Source, blocks};
use super::split;
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, ConvTranspose2d, Coordinate, Packing};
use crate::plan::{Layout, Precision};

/// The weight: `[c, o, 2s, 2s]` to `[s row offsets][s column offsets][c / 4]
/// [2][2][4 of c][o]`; offset `f` and tap `t` stand for kernel index `f + s * t`.
/// And the bias.
pub fn packings(
    op: &ConvTranspose2d,
    segments: &[usize],
    outputs: usize,
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
            Axis::new(inputs / 4, Coordinate::N, 4),
            Axis::new(2, Coordinate::H, s),
            Axis::new(2, Coordinate::W, s),
            Axis::new(4, Coordinate::N, 1),
            Axis::new(outputs.next_multiple_of(4), Coordinate::C, 1),
        ],
        channels: Some(ChannelMap::new(Coordinate::N, segments, 4)),
        precision,
    };
    [weight, super::bias(outputs, 1)]
}

pub fn lower(source: &Source, op: &ConvTranspose2d, tile: GemmTile) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(ConvTranspose2d::X), source.output(0));
    let precision = source.input(ConvTranspose2d::WEIGHT).format.precision;
    let packings = packings(op, &x.segments, y.shape.c, precision);
    source.expect_packings(ConvTranspose2d::WEIGHT.., &packings)?;
    let pixels = x.shape.n * x.shape.pixels();
    let aligned = tile.divides(pixels, x, y);
    let tiles = (4 * blocks(y)).div_ceil(tile.outputs);
    let make = |first: usize, count: usize| {
        let kernel = Kernel::new("conv_transpose2d_gemm")
            .number("ALIGNED", usize::from(aligned))
            .count("STRIDE", op.stride)
            .count("IN_BLOCKS", blocks(x))
            .count("OUT_BLOCKS", blocks(y))
            .uniform("in_height", x.shape.h)
            .uniform("in_width", x.shape.w)
            .uniform("pixels", pixels)
            .uniform("first_tile", first)
            .input("x", source, ConvTranspose2d::X)
            .input("w", source, ConvTranspose2d::WEIGHT)
            .f32_input("bias", source, ConvTranspose2d::BIAS)
            .output("y", source, 0)
            .grid([op.stride * op.stride * tiles, count, 1]);
        tile.parameters(kernel)
    };
    Ok(split::by_rows(source, pixels.div_ceil(tile.pixels), make))
}
