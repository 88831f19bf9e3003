//! What an invocation of conv2d.wgsl and conv_transpose2d.wgsl makes.

use super::Workgroup;
use crate::plan::Variant;

/// Invocations of a workgroup along each side.
pub const SIDE: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterTile {
    /// Pixels, 1 to 8.
    pub pixels: usize,
    /// Blocks of 4 output channels, 1 to 4.
    pub blocks: usize,
}

/// All that are worth trying.
const ALL: [RegisterTile; 8] = [
    tile(4, 2),
    tile(8, 1),
    tile(8, 2),
    tile(4, 1),
    tile(4, 4),
    tile(2, 2),
    tile(2, 1),
    tile(1, 4),
];

pub const fn tile(pixels: usize, blocks: usize) -> RegisterTile {
    RegisterTile { pixels, blocks }
}

/// All of them, `first` before the others.
pub fn variants(first: RegisterTile) -> Vec<Variant> {
    let others = ALL.into_iter().filter(|&tile| tile != first);
    let tiles = [first].into_iter().chain(others);
    tiles
        .map(|RegisterTile { pixels, blocks }| Variant::RegisterTile { pixels, blocks })
        .collect()
}

impl RegisterTile {
    pub fn workgroup(self) -> Workgroup {
        Workgroup {
            invocations: SIDE * SIDE,
            bytes: 0,
        }
    }

    pub fn of(variant: Variant) -> Option<Self> {
        match variant {
            Variant::RegisterTile {
                pixels: pixels @ 1..=8,
                blocks: blocks @ 1..=4,
            } => Some(Self { pixels, blocks }),
            _ => None,
        }
    }
}
