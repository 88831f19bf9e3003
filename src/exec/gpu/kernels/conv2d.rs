use super::kernel::{Kernel, Source, blocks};
use super::register_tile::{self, RegisterTile, SIDE};
use super::{GpuChooser, epilogue, split};
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, Conv2d, Coordinate, Packing, Padding, ensure};
use crate::plan::{Choice, Layout, NodeOperands, Precision, Variant};

/// All kernels for a node, that of the static rule first.
pub fn variants(_: &NodeOperands, _: &Conv2d) -> Vec<Variant> {
    register_tile::variants()
}

pub fn choose(
    chooser: &GpuChooser,
    node: &NodeOperands,
    op: &Conv2d,
    variant: Variant,
) -> Result<Choice, String> {
    let segments = &node.inputs[Conv2d::X].value.segments;
    let (tile, outputs) = (RegisterTile::of(variant)?, node.outputs[0].shape().c);
    let packings = packings(op, segments, outputs, tile, chooser.precision);
    Ok(Choice {
        variant,
        ..chooser.weighted(node, packings)
    })
}

/// The weight: `[o, c, k, k]` to
/// `[o / (4 * blocks)][c / 4][k][k][4 of c][4 * blocks of o]`; and the bias.
fn packings(
    op: &Conv2d,
    segments: &[usize],
    outputs: usize,
    RegisterTile { blocks, .. }: RegisterTile,
    precision: Precision,
) -> [Packing; 2] {
    let inputs = Layout::ChannelBlocks4.stored_channels(segments);
    let weight = Packing {
        plain: Shape::new(outputs, segments.iter().sum(), op.kernel, op.kernel),
        winograd: false,
        axes: vec![
            Axis::new(outputs.div_ceil(4 * blocks), Coordinate::N, 4 * blocks),
            Axis::new(inputs / 4, Coordinate::C, 4),
            Axis::new(op.kernel, Coordinate::H, 1),
            Axis::new(op.kernel, Coordinate::W, 1),
            Axis::new(4, Coordinate::C, 1),
            Axis::new(4 * blocks, Coordinate::N, 1),
        ],
        channels: Some(ChannelMap::new(Coordinate::C, segments, 4)),
        precision,
    };
    [weight, super::bias(outputs, blocks)]
}

pub fn lower(source: &Source, op: &Conv2d) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let tile = RegisterTile::of(source.node.variant)?;
    let precision = source.input(Conv2d::WEIGHT).format.precision;
    let packings = packings(op, &x.segments, y.shape.c, tile, precision);
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    // A dense block's convolution extends the array that it reads.
    let in_place = x.slot == y.slot;
    ensure!(
        !in_place || (op.stride == 1 && !x.overlaps(y)),
        "overwrites '{}', which it reads, with '{}'",
        x.name,
        y.name
    );
    let rows = SIDE * tile.pixels;
    let make = |first: usize, count: usize| {
        let mut kernel = Kernel::new("conv2d")
            .number("KERNEL", op.kernel)
            .number("STRIDE", op.stride)
            .number("REFLECT", usize::from(op.padding == Padding::Reflect))
            .number("IN_PLACE", usize::from(in_place))
            .number("BIAS", usize::from(op.bias))
            .number("ROWS", tile.pixels)
            .number("BLOCKS", tile.blocks)
            .count("IN_BLOCKS", blocks(x))
            .count("OUT_BLOCKS", blocks(y))
            .uniform("in_height", x.shape.h)
            .uniform("in_width", x.shape.w)
            .uniform("out_height", y.shape.h)
            .uniform("out_width", y.shape.w)
            .uniform("first_row", first * rows)
            .input("w", source, Conv2d::WEIGHT)
            .grid([
                y.shape.w.div_ceil(SIDE),
                count,
                y.shape.n * blocks(y).div_ceil(tile.blocks),
            ]);
        kernel = match in_place {
            true => kernel.view("x", x),
            false => kernel.input("x", source, Conv2d::X),
        };
        if op.bias {
            kernel = kernel.f32_input("bias", source, Conv2d::BIAS);
        }
        epilogue::add(kernel, source, &op.epilogue, op.operands())
    };
    Ok(split::by_rows(source, y.shape.h.div_ceil(rows), make))
}
