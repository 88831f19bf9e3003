//! Tiles of matrix products, `shaders/include/gemm_tile.wgsl`.

use super::Workgroup;
use super::kernel::Kernel;
use crate::plan::{PlannedValue, Variant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmTile {
    /// Of a workgroup.
    pub pixels: usize,
    /// Output channels of a workgroup.
    pub outputs: usize,
    /// Input channels that are staged at a time.
    pub depth: usize,
    /// Pixels of an invocation.
    each_pixels: usize,
    /// Blocks of 4 output channels of an invocation.
    each_blocks: usize,
}

const fn tile(
    [pixels, outputs, depth]: [usize; 3],
    [each_pixels, each_blocks]: [usize; 2],
) -> GemmTile {
    GemmTile {
        pixels,
        outputs,
        depth,
        each_pixels,
        each_blocks,
    }
}

/// Small tiles keep many cores busy with a small image, large ones read less.
const ALL: [GemmTile; 12] = [
    tile([64, 64, 16], [8, 2]),
    tile([64, 16, 16], [4, 1]),
    tile([128, 16, 16], [8, 1]),
    tile([32, 32, 16], [4, 1]),
    tile([64, 32, 16], [4, 2]),
    tile([128, 32, 16], [8, 2]),
    tile([256, 32, 8], [8, 2]),
    tile([32, 64, 16], [4, 2]),
    tile([128, 64, 16], [8, 2]),
    tile([64, 128, 16], [8, 2]),
    tile([128, 128, 8], [8, 2]),
    tile([128, 128, 16], [8, 2]),
];

/// Those for so many output channels, none twice as wide as they.
pub fn variants(outputs: usize) -> impl Iterator<Item = Variant> {
    let narrow = move |tile: &&GemmTile| super::is_narrow(tile.outputs, outputs);
    ALL.iter().filter(narrow).map(|tile| Variant::Gemm {
        pixels: tile.pixels,
        outputs: tile.outputs,
        depth: tile.depth,
    })
}

impl GemmTile {
    pub fn of(variant: Variant) -> Option<Self> {
        let Variant::Gemm {
            pixels,
            outputs,
            depth,
        } = variant
        else {
            return None;
        };
        let wanted = [pixels, outputs, depth];
        let mut tiles = ALL.into_iter();
        tiles.find(|tile| [tile.pixels, tile.outputs, tile.depth] == wanted)
    }

    pub fn workgroup(self) -> Workgroup {
        let blocks = self.outputs / 4;
        Workgroup {
            invocations: self.pixels / self.each_pixels * (blocks / self.each_blocks),
            bytes: 4 * self.depth * (self.pixels + self.outputs),
        }
    }

    /// Whether no tile reaches beyond so many pixels or the channels of x and y.
    pub fn divides(self, pixels: usize, x: &PlannedValue, y: &PlannedValue) -> bool {
        pixels.is_multiple_of(self.pixels)
            && x.stored_channels().is_multiple_of(self.depth)
            && y.stored_channels().is_multiple_of(self.outputs)
    }

    /// Adds the parameters of the template.
    pub fn parameters(self, kernel: Kernel) -> Kernel {
        kernel
            .number("TILE_PIXELS", self.pixels)
            .number("TILE_BLOCKS", self.outputs / 4)
            .number("TILE_DEPTH", self.depth / 4)
            .number("EACH_PIXELS", self.each_pixels)
            .number("EACH_BLOCKS", self.each_blocks)
    }
}
