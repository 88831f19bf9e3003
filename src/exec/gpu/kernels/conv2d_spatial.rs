use super::kernel::{Kernel, Source, blocks};
use super::{Workgroup, conv2d, conv2d_gemm, split};
use crate::ops::{Conv2d, ensure};
use crate::plan::Variant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialTile {
    /// Of a workgroup.
    width: usize,
    height: usize,
    /// Output channels of a workgroup.
    outputs: usize,
    /// Pixels of an invocation, one below the other.
    each_rows: usize,
    /// Blocks of 4 output channels of an invocation.
    each_blocks: usize,
    /// Whether weights go through workgroup memory.
    staged_weights: bool,
}

const fn tile(
    [width, height, outputs]: [usize; 3],
    [each_rows, each_blocks]: [usize; 2],
    staged_weights: bool,
) -> SpatialTile {
    SpatialTile {
        width,
        height,
        outputs,
        each_rows,
        each_blocks,
        staged_weights,
    }
}

const ALL: [SpatialTile; 8] = [
    tile([16, 16, 32], [8, 2], true),
    tile([8, 8, 32], [4, 2], true),
    tile([32, 16, 32], [8, 2], true),
    tile([8, 16, 64], [8, 2], true),
    tile([16, 16, 64], [8, 2], true),
    tile([16, 16, 16], [8, 2], true),
    // Invocations of a workgroup read the same weights, at the same time.
    tile([32, 16, 8], [8, 2], false),
    tile([16, 32, 16], [4, 4], false),
];

/// Whether these kernels compute a convolution: with stride 2, a tile sees so
/// many pixels that few fit the memory of a workgroup.
fn computes(op: &Conv2d) -> bool {
    op.is_3x3_of_stride_1()
}

/// Those for a convolution to so many output channels, none twice as wide.
pub fn variants(op: &Conv2d, outputs: usize) -> impl Iterator<Item = Variant> {
    let narrow = move |tile: &&SpatialTile| super::is_narrow(tile.outputs, outputs);
    let tiles = if computes(op) { &ALL[..] } else { &[] };
    tiles
        .iter()
        .filter(narrow)
        .map(|tile| Variant::SpatialTile {
            width: tile.width,
            height: tile.height,
            outputs: tile.outputs,
        })
}

impl SpatialTile {
    pub fn of(variant: Variant) -> Option<Self> {
        let Variant::SpatialTile {
            width,
            height,
            outputs,
        } = variant
        else {
            return None;
        };
        let wanted = [width, height, outputs];
        let mut tiles = ALL.into_iter();
        tiles.find(|tile| [tile.width, tile.height, tile.outputs] == wanted)
    }

    pub fn workgroup(self) -> Workgroup {
        let blocks = self.outputs / 4;
        let seen = (self.width + 2) * (self.height + 2);
        let weights = if self.staged_weights { 36 * blocks } else { 0 };
        Workgroup {
            invocations: self.width * (self.height / self.each_rows) * (blocks / self.each_blocks),
            bytes: 16 * (seen + weights),
        }
    }
}

/// Refuses what these kernels do not compute.
pub fn check(op: &Conv2d) -> Result<(), String> {
    let Conv2d { kernel, stride, .. } = op;
    ensure!(
        computes(op),
        "{kernel}x{kernel} with stride {stride} has no kernel by spatial tiles (3x3 stride 1)"
    );
    Ok(())
}

pub fn lower(source: &Source, op: &Conv2d, tile: SpatialTile) -> Result<Vec<Kernel>, String> {
    check(op)?;
    let (x, y) = (source.input(Conv2d::X), source.output(0));
    let precision = source.input(Conv2d::WEIGHT).format.precision;
    let packings = conv2d_gemm::packings(op, &x.segments, y.shape.c, precision);
    source.expect_packings(Conv2d::WEIGHT..op.operands(), &packings)?;
    let in_place = conv2d::is_in_place(source, op)?;
    let make = |first: usize, count: usize| {
        let kernel = Kernel::new("conv2d_spatial")
            .number("TILE_WIDTH", tile.width)
            .number("TILE_HEIGHT", tile.height)
            .number("TILE_BLOCKS", tile.outputs / 4)
            .number("EACH_ROWS", tile.each_rows)
            .number("EACH_BLOCKS", tile.each_blocks)
            .number("STAGED_WEIGHTS", usize::from(tile.staged_weights))
            .uniform("first_tile", first)
            .grid([
                y.shape.w.div_ceil(tile.width) * (4 * blocks(y)).div_ceil(tile.outputs),
                count,
                y.shape.n,
            ]);
        conv2d::operands(kernel, source, op, in_place)
    };
    Ok(split::by_rows(
        source,
        y.shape.h.div_ceil(tile.height),
        make,
    ))
}
