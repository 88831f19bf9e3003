//! Weights re-ordered for the kernels that read them.

use crate::graph::Shape;

/// The order in which a kernel reads a weight. Everything that a weight does
/// not fill is zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// A vector padded to so many blocks of 4.
    Vector {
        /// Blocks.
        blocks: usize,
    },
    /// `[o, c, k, k]` to `[o / 8][c / 4][k * k][4][2][4 of o]`; input channel
    /// `i` is stored at `channels[i]` of `in_blocks * 4`.
    Conv2d {
        /// Stored channel of each input channel.
        channels: Vec<usize>,
        /// Stored blocks of input channels.
        in_blocks: usize,
    },
    /// `[c, o, 2s, 2s]` to `[s * s][o / 8][c / 4][2][2][4][2][4 of o]`, as
    /// described in `conv_transpose2d.wgsl`.
    ConvTranspose2d {
        /// Stored channel of each input channel.
        channels: Vec<usize>,
        /// Stored blocks of input channels.
        in_blocks: usize,
        /// `s`.
        stride: usize,
    },
    /// `[o, c]` to `[o / 4][c / 4][4][4 of o]`.
    Linear {
        /// Stored blocks of input channels.
        in_blocks: usize,
    },
}

impl Packing {
    /// Elements of a packed weight of this shape.
    pub fn packed_len(&self, shape: Shape) -> usize {
        match self {
            Packing::Vector { blocks } => blocks * 4,
            Packing::Conv2d { in_blocks, .. } => {
                shape.n.div_ceil(8) * in_blocks * shape.h * shape.w * 32
            }
            Packing::ConvTranspose2d {
                in_blocks, stride, ..
            } => stride * stride * shape.c.div_ceil(8) * in_blocks * 4 * 32,
            Packing::Linear { in_blocks } => shape.n.div_ceil(4) * in_blocks * 16,
        }
    }

    /// Packs a weight of PyTorch's order.
    pub fn apply(&self, weight: &[f32], shape: Shape) -> Vec<f32> {
        let mut packed = vec![0.0; self.packed_len(shape)];
        match self {
            Packing::Vector { .. } => packed[..weight.len()].copy_from_slice(weight),
            Packing::Conv2d {
                channels,
                in_blocks,
            } => {
                let taps = shape.h * shape.w;
                for o in 0..shape.n {
                    for (c, &stored) in channels.iter().enumerate() {
                        for tap in 0..taps {
                            let block = (o / 8 * in_blocks + stored / 4) * taps + tap;
                            packed[tile_index(block, stored, o)] =
                                weight[(o * shape.c + c) * taps + tap];
                        }
                    }
                }
            }
            Packing::ConvTranspose2d {
                channels,
                in_blocks,
                stride,
            } => pack_conv_transpose2d(weight, shape, channels, *in_blocks, *stride, &mut packed),
            Packing::Linear { in_blocks } => {
                for o in 0..shape.n {
                    for c in 0..shape.c {
                        let block = o / 4 * in_blocks + c / 4;
                        packed[(block * 4 + c % 4) * 4 + o % 4] = weight[o * shape.c + c];
                    }
                }
            }
        }
        packed
    }
}

/// Index of (stored input channel, output channel) in the `block`th run of
/// 4 input channels x 2 output blocks x 4.
fn tile_index(block: usize, stored: usize, o: usize) -> usize {
    ((block * 4 + stored % 4) * 2 + o / 4 % 2) * 4 + o % 4
}

fn pack_conv_transpose2d(
    weight: &[f32],
    shape: Shape,
    channels: &[usize],
    in_blocks: usize,
    stride: usize,
    packed: &mut [f32],
) {
    // The shape of a transposed convolution's weight is [in, out, k, k].
    let (outputs, side) = (shape.c, shape.h);
    let pairs = outputs.div_ceil(8);
    // Kernel index of a phase's tap: the pixel below or right (tap 1) sees
    // (phase + p) mod s, the one above or left (tap 0) sees s more.
    let kernel = |phase: usize, tap: usize| (phase + stride / 2) % stride + (1 - tap) * stride;
    for phase in 0..stride * stride {
        for (c, &stored) in channels.iter().enumerate() {
            for o in 0..outputs {
                for tap in 0..4 {
                    let u = kernel(phase / stride, tap / 2);
                    let v = kernel(phase % stride, tap % 2);
                    let pair = phase * pairs + o / 8;
                    let block = (pair * in_blocks + stored / 4) * 4 + tap;
                    packed[tile_index(block, stored, o)] =
                        weight[((c * outputs + o) * side + u) * side + v];
                }
            }
        }
    }
}
