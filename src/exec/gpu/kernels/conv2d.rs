use super::conv2d_matrix::{self, MatrixTile};
use super::conv2d_spatial::{self, SpatialTile};
use super::conv2d_winograd::{self, WinogradPasses};
use super::gemm_tile::{self, GemmTile};
use super::kernel::{Kernel, Source, blocks};
use super::register_tile::{self, RegisterTile, SIDE};
use super::{GpuChooser, conv2d_gemm, epilogue, split};
use crate::graph::Shape;
use crate::ops::{Axis, ChannelMap, Conv2d, Coordinate, Packing, Padding, ensure};
use crate::plan::{Choice, Layout, NodeOperands, Precision, ScratchRequest, Variant};

/// All kernels for a node that need no more than the baseline of devices, that
/// of the static rule first.
pub fn variants(node: &NodeOperands, op: &Conv2d) -> Vec<Variant> {
    let outputs = node.outputs[0].shape().c;
    // For each sum, 8 pixels by a block load the least of tiles with 8 sums; a
    // kernel of one tap has no pixels to share.
    let first = match op.kernel {
        1 => register_tile::tile(4, 2),
        _ => register_tile::tile(8, 1),
    };
    let mut variants = register_tile::variants(first);
    variants.extend(gemm_tile::variants(outputs));
    variants.extend(conv2d_spatial::variants(op, outputs));
    variants.extend(conv2d_winograd::variants(op, outputs));
    variants
}

/// A variant with what it needs to know.
enum Kind {
    RegisterTile(RegisterTile),
    Gemm(GemmTile),
    Spatial(SpatialTile),
    Matrix(MatrixTile),
    Winograd(WinogradPasses),
}

impl Kind {
    fn of(variant: Variant) -> Result<Self, String> {
        let kinds = [
            RegisterTile::of(variant).map(Self::RegisterTile),
            GemmTile::of(variant).map(Self::Gemm),
            SpatialTile::of(variant).map(Self::Spatial),
            MatrixTile::of(variant).map(Self::Matrix),
            WinogradPasses::of(variant).map(Self::Winograd),
        ];
        let mut kinds = kinds.into_iter().flatten();
        kinds.next().ok_or_else(|| super::unknown(variant))
    }
}

/// The scratch memory of a node's kernel.
pub fn scratch(node: &NodeOperands, variant: Variant) -> Vec<ScratchRequest> {
    let Some(passes) = WinogradPasses::of(variant) else {
        return Vec::new();
    };
    let segments = &node.inputs[Conv2d::X].value.segments;
    passes.scratch(segments, node.outputs[0].shape())
}

pub fn choose(
    chooser: &GpuChooser,
    node: &NodeOperands,
    op: &Conv2d,
    variant: Variant,
) -> Result<Choice, String> {
    let segments = &node.inputs[Conv2d::X].value.segments;
    let (outputs, precision) = (node.outputs[0].shape().c, chooser.precision);
    let packings = match Kind::of(variant)? {
        Kind::RegisterTile(tile) => packings(op, segments, outputs, tile, precision),
        Kind::Gemm(_) => conv2d_gemm::packings(op, segments, outputs, precision),
        Kind::Spatial(_) => {
            conv2d_spatial::check(op)?;
            conv2d_gemm::packings(op, segments, outputs, precision)
        }
        Kind::Matrix(tile) => tile.packings(op, node, precision)?,
        Kind::Winograd(passes) => passes.packings(op, segments, outputs)?,
    };
    Ok(Choice {
        variant,
        scratch: scratch(node, variant),
        ..chooser.weighted(node, packings)
    })
}

/// The axes of a packed weight are made of these.
pub struct WeightAxes {
    /// The coordinate that counts outputs, and that of the operand's channels.
    pub outputs: Coordinate,
    pub channels: Coordinate,
    /// Of the operand, with the padding of its groups.
    pub stored_channels: usize,
    /// Rows and columns of the kernel, in the order that the kernels of all
    /// variants go through them.
    pub taps: [Axis; 2],
}

/// The packing of a weight `[o, c, k, k]`, or `[c, o, k, k]` with its taps in
/// reverse for a `backward` convolution.
pub fn weight(
    op: &Conv2d,
    segments: &[usize],
    outputs: usize,
    precision: Precision,
    axes: impl FnOnce(&WeightAxes) -> Vec<Axis>,
) -> Packing {
    let channels = segments.iter().sum();
    let taps = [Coordinate::H, Coordinate::W].map(|axis| Axis::new(op.kernel, axis, 1));
    let stored_channels = Layout::ChannelBlocks4.stored_channels(segments);
    let (plain, of) = match op.backward {
        true => (
            Shape::new(channels, outputs, op.kernel, op.kernel),
            WeightAxes {
                outputs: Coordinate::C,
                channels: Coordinate::N,
                stored_channels,
                taps: taps.map(Axis::reversed),
            },
        ),
        false => (
            Shape::new(outputs, channels, op.kernel, op.kernel),
            WeightAxes {
                outputs: Coordinate::N,
                channels: Coordinate::C,
                stored_channels,
                taps,
            },
        ),
    };
    Packing {
        plain,
        winograd: None,
        turned: false,
        axes: axes(&of),
        channels: Some(ChannelMap::new(of.channels, segments, 4)),
        precision,
    }
}

/// The weight: `[o / (4 * blocks)][c / 4][k][k][4 of c][4 * blocks of o]`; and
/// the bias.
fn packings(
    op: &Conv2d,
    segments: &[usize],
    outputs: usize,
    RegisterTile { blocks, .. }: RegisterTile,
    precision: Precision,
) -> [Packing; 2] {
    let weight = weight(op, segments, outputs, precision, |of| {
        vec![
            Axis::new(outputs.div_ceil(4 * blocks), of.outputs, 4 * blocks),
            Axis::new(of.stored_channels / 4, of.channels, 4),
            of.taps[0],
            of.taps[1],
            Axis::new(4, of.channels, 1),
            Axis::new(4 * blocks, of.outputs, 1),
        ]
    });
    [weight, super::bias(outputs, blocks)]
}

pub fn lower(source: &Source, op: &Conv2d) -> Result<Vec<Kernel>, String> {
    match Kind::of(source.node.variant)? {
        Kind::RegisterTile(tile) => lower_register_tile(source, op, tile),
        Kind::Gemm(tile) => conv2d_gemm::lower(source, op, tile),
        Kind::Spatial(tile) => conv2d_spatial::lower(source, op, tile),
        Kind::Matrix(tile) => conv2d_matrix::lower(source, op, tile),
        Kind::Winograd(passes) => conv2d_winograd::lower(source, op, passes),
    }
}

fn lower_register_tile(
    source: &Source,
    op: &Conv2d,
    tile: RegisterTile,
) -> Result<Vec<Kernel>, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let precision = source.input(Conv2d::WEIGHT).format.precision;
    let packings = packings(op, &x.segments, y.shape.c, tile, precision);
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    let in_place = is_in_place(source, op)?;
    let rows = SIDE * tile.pixels;
    let make = |first: usize, count: usize| {
        let kernel = Kernel::new("conv2d")
            .number("STRIDE", op.stride)
            .number("ROWS", tile.pixels)
            .number("BLOCKS", tile.blocks)
            .uniform("first_row", first * rows)
            .grid([
                y.shape.w.div_ceil(SIDE),
                count,
                y.shape.n * blocks(y).div_ceil(tile.blocks),
            ]);
        operands(kernel, source, op, in_place)
    };
    Ok(split::by_rows(source, y.shape.h.div_ceil(rows), make))
}

/// Whether a dense block's convolution extends the array that it reads.
pub fn is_in_place(source: &Source, op: &Conv2d) -> Result<bool, String> {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let in_place = x.slot == y.slot;
    ensure!(
        !in_place || (op.stride == 1 && !x.overlaps(y)),
        "overwrites '{}', which it reads, with '{}'",
        x.name,
        y.name
    );
    Ok(in_place)
}

/// Adds what the kernels of all variants that read x themselves have in
/// common: what they compute, operands, epilogue and result.
pub fn operands(kernel: Kernel, source: &Source, op: &Conv2d, in_place: bool) -> Kernel {
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let mut kernel = kernel
        .number("KERNEL", op.kernel)
        .number("REFLECT", usize::from(op.padding == Padding::Reflect))
        .number("IN_PLACE", usize::from(in_place))
        .number("BIAS", usize::from(op.bias))
        .count("IN_BLOCKS", blocks(x))
        .count("OUT_BLOCKS", blocks(y))
        .uniform("in_height", x.shape.h)
        .uniform("in_width", x.shape.w)
        .uniform("out_height", y.shape.h)
        .uniform("out_width", y.shape.w)
        .input("w", source, Conv2d::WEIGHT);
    kernel = match in_place {
        true => kernel.view("x", x),
        false => kernel.input("x", source, Conv2d::X),
    };
    if op.kernel == 3 {
        kernel = kernel.number("PAD", op.pad());
    }
    if op.bias {
        kernel = kernel.f32_input("bias", source, Conv2d::BIAS);
    }
    epilogue::add(kernel, source, &op.epilogue, op.operands())
}
