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

/// All that are worth trying, the one that does well on all adapters tried
/// first.
const ALL: [[usize; 2]; 8] = [
    [4, 2],
    [1, 4],
    [2, 1],
    [4, 1],
    [8, 1],
    [8, 2],
    [2, 2],
    [4, 4],
];

pub fn variants() -> Vec<Variant> {
    let variant = |[pixels, blocks]: [usize; 2]| Variant::RegisterTile { pixels, blocks };
    ALL.map(variant).into()
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
