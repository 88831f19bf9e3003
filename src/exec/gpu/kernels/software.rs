//! The static rule of software adapters (lavapipe): what was measured to be
//! the fastest there, by channels and sizes.
//!
//! Invocations run in the lanes of vector instructions, and each lane loads its
//! operands alone. So kernels are fast that do much with what they have loaded:
//! tiles of 8 x 8 sums, though these spill registers, and Winograd's
//! convolution, which multiplies 4 times less, where tiles fill its products.

use super::conv2d;
use super::conv2d_winograd::WinogradPasses;
use crate::ops::{Conv2d, ConvTranspose2d, Op};
use crate::plan::{NodeOperands, Variant};

/// Larger arrays are left to kernels without scratch memory.
const SCRATCH_BYTES: u64 = 128 << 20;

const SQUARE: Variant = Variant::RegisterTile {
    pixels: 8,
    blocks: 2,
};

const WINOGRAD_4X4: Variant = Variant::WinogradPasses {
    results: 4,
    pixels: 64,
    outputs: 64,
    depth: 16,
};

const WINOGRAD_2X2: Variant = Variant::WinogradPasses {
    results: 2,
    pixels: 128,
    outputs: 128,
    depth: 8,
};

/// The kernel for a node; none: that of other adapters.
pub fn kernel(node: &NodeOperands) -> Option<Variant> {
    let variant = match node.op {
        Op::Conv2d(op) => convolution(node, op),
        Op::ConvTranspose2d(_) => transposed(node),
        _ => None,
    }?;
    let scratch = conv2d::scratch(node, variant);
    let fits = scratch.iter().all(|array| array.bytes <= SCRATCH_BYTES);
    fits.then_some(variant)
}

fn convolution(node: &NodeOperands, op: &Conv2d) -> Option<Variant> {
    let inputs = node.inputs[Conv2d::X].shape().c;
    let y = node.outputs[0].shape();
    if !op.is_3x3_of_stride_1() {
        return (y.c >= 32 && (op.kernel == 1 || op.stride > 1)).then_some(SQUARE);
    }
    let fills = |variant| WinogradPasses::of(variant).is_some_and(|passes| passes.fills(y));
    let all = [(WINOGRAD_4X4, 32), (WINOGRAD_2X2, 128)];
    let mut all = all.into_iter();
    let found = all.find(|&(variant, least)| inputs >= least && fills(variant));
    found.map(|(variant, _)| variant)
}

fn transposed(node: &NodeOperands) -> Option<Variant> {
    let x = node.inputs[ConvTranspose2d::X].shape();
    let y = node.outputs[0].shape();
    (y.c >= 32 && x.pixels() >= 1024).then_some(SQUARE)
}
