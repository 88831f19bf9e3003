use super::gemm_tile::GemmTile;
use super::kernel::{Kernel, Source, blocks};
use super::{conv2d, split};
use crate::ops::{Axis, Conv2d, Packing};
use crate::plan::Precision;

/// The weight: `[c / 4][k][k][4 of c][o]`; and the bias.
pub fn packings(
    op: &Conv2d,
    segments: &[usize],
    outputs: usize,
    precision: Precision,
) -> [Packing; 2] {
    let weight = conv2d::weight(op, segments, outputs, precision, |of| {
        vec![
            Axis::new(of.stored_channels / 4, of.channels, 4),
            of.taps[0],
            of.taps[1],
            Axis::new(4, of.channels, 1),
            Axis::new(outputs.next_multiple_of(4), of.outputs, 1),
        ]
    });
    [weight, super::bias(outputs, 1)]
}

pub fn lower(source: &Source, op: &Conv2d, tile: GemmTile) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let precision = source.input(Conv2d::WEIGHT).format.precision;
    let packings = packings(op, &x.segments, y.shape.c, precision);
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    let pixels = y.shape.n * y.shape.pixels();
    let aligned = tile.divides(pixels, x, y);
    let in_place = conv2d::is_in_place(source, op)?;
    let make = |first: usize, count: usize| {
        let kernel = Kernel::new("conv2d_gemm")
            .number("STRIDE", op.stride)
            .number("ALIGNED", usize::from(aligned))
            .uniform("pixels", pixels)
            .uniform("first_tile", first)
            .grid([(4 * blocks(y)).div_ceil(tile.outputs), count, 1]);
        conv2d::operands(tile.parameters(kernel), source, op, in_place)
    };
    Ok(split::by_rows(source, pixels.div_ceil(tile.pixels), make))
}
