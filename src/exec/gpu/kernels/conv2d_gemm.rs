use super::gemm_tile::GemmTile;
use super::kernel::{Kernel, Source, blocks};
use super::{conv2d, split};
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, Conv2d, Coordinate, Packing};
use crate::plan::{Layout, Precision};

/// The weight: `[o, c, k, k]` to `[c / 4][k][k][4 of c][o]`; and the bias.
pub fn packings(
    op: &Conv2d,
    segments: &[usize],
    outputs: usize,
    precision: Precision,
) -> [Packing; 2] {
    let inputs = Layout::ChannelBlocks4.stored_channels(segments);
    let weight = Packing {
        plain: Shape::new(outputs, segments.iter().sum(), op.kernel, op.kernel),
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(inputs / 4, Coordinate::C, 4),
            Axis::new(op.kernel, Coordinate::H, 1),
            Axis::new(op.kernel, Coordinate::W, 1),
            Axis::new(4, Coordinate::C, 1),
            Axis::new(outputs.next_multiple_of(4), Coordinate::N, 1),
        ],
        channels: Some(ChannelMap::new(Coordinate::C, segments, 4)),
        precision,
    };
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
