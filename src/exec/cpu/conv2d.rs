//! Convolution; the twin of `shaders/conv2d.wgsl`.
//!
//! A tile of the operand is copied with its border. In it, the three pixels
//! that a row of the 3x3 kernel sees lie side by side, so the convolution is
//! three matrix products with `3 * channels` inner elements each, over
//! overlapping pixels, and nothing like an im2col array is ever built. Rows
//! of the tile follow one another, so one product covers them all; the two
//! pixels between the rows of results are computed and thrown away.

use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::products::{multiply, with_scratch};
use super::simd::vectorized;
use super::tiles::{Tile, copy_padded, tiles};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Conv2d, Padding};
use rayon::prelude::*;

/// A convolution with its operands.
struct Convolution {
    kernel: usize,
    stride: usize,
    padding: Padding,
    x: View,
    /// `[kernel row][kernel column * channels][out channels]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    epilogue: BoundEpilogue,
}

pub(super) fn load(loading: &mut Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    let x = loading.input(Conv2d::X);
    let epilogue = BoundEpilogue::new(loading, &op.epilogue, op.operands());
    let y = epilogue.y.shape;
    let weight = loading.weight(Conv2d::WEIGHT)?;
    let convolution = Convolution {
        kernel: op.kernel,
        stride: op.stride,
        padding: op.padding,
        x,
        weights: pack(&weight, Shape::new(y.c, x.shape.c, op.kernel, op.kernel)),
        bias: match op.bias {
            true => loading.weight(Conv2d::BIAS)?.into_owned(),
            false => vec![0.0; y.c],
        },
        epilogue,
    };
    let elements = x.shape.c * op.stride * op.stride + y.c;
    let tiles = tiles(y, elements, rayon::current_num_threads());
    Ok(Box::new(move |record| {
        let offsets = convolution.epilogue.offsets(record);
        tiles.par_iter().for_each(|tile| {
            let finish = |row: usize, sums: &[f32]| {
                let y = convolution.epilogue.y.shape;
                let first = (tile.n * y.h + tile.top + row) * y.w + tile.left;
                vectorized(
                    #[inline(always)]
                    || {
                        // SAFETY: no two tiles share a pixel, and the plan lets
                        // no operand of a step share elements with its result.
                        unsafe {
                            let (e, bias) = (&convolution.epilogue, &convolution.bias);
                            e.store(&offsets, bias, sums, first, tile.columns);
                        }
                    },
                );
            };
            if convolution.kernel == 1 {
                convolution.tile_1x1(tile, finish);
            } else {
                convolution.tile_3x3(tile, finish);
            }
        });
    }))
}

/// `[o, c, k, k]` to `[k][k * c][o]`.
fn pack(weight: &[f32], shape: Shape) -> Vec<f32> {
    let Shape {
        n: outputs,
        c: channels,
        ..
    } = shape;
    let taps = shape.pixels();
    let mut packed = vec![0.0; weight.len()];
    for o in 0..outputs {
        for c in 0..channels {
            for tap in 0..taps {
                packed[(tap * channels + c) * outputs + o] =
                    weight[(o * channels + c) * taps + tap];
            }
        }
    }
    packed
}

impl Convolution {
    fn tile_1x1(&self, tile: &Tile, finish: impl Fn(usize, &[f32])) {
        let (x, outputs) = (self.x, self.bias.len());
        with_scratch(tile.columns * outputs, 0, |sums, _| {
            for row in 0..tile.rows {
                let first = (tile.n * x.shape.h + tile.top + row) * x.shape.w + tile.left;
                // SAFETY: the pixels of a row lie in the slot, `sums` holds
                // one result each.
                unsafe {
                    multiply(
                        tile.columns,
                        x.address(first),
                        x.pitch,
                        &self.weights,
                        outputs,
                        sums.as_mut_ptr(),
                        outputs,
                        false,
                    );
                }
                finish(row, sums);
            }
        });
    }

    fn tile_3x3(&self, tile: &Tile, finish: impl Fn(usize, &[f32])) {
        let (channels, outputs, stride) = (self.x.shape.c, self.bias.len(), self.stride);
        let rows = (tile.rows - 1) * stride + 3;
        let columns = (tile.columns - 1) * stride + 3;
        // Results of all rows at once, or of one row after the other where
        // the stride leaves no common distance between them.
        let (products, pixels) = match stride {
            1 => (1, tile.rows * columns - 2),
            _ => (tile.rows, tile.columns),
        };
        let pitch = if stride == 1 { columns } else { tile.columns };
        with_scratch(
            rows * columns * channels,
            tile.rows * pitch * outputs,
            |source, sums| {
                // SAFETY: the plan lets nothing write x meanwhile.
                unsafe {
                    copy_padded(
                        &self.x,
                        tile.n,
                        ((tile.top * stride) as isize - 1, rows),
                        ((tile.left * stride) as isize - 1, columns),
                        self.padding,
                        source,
                    );
                }
                for product in 0..products {
                    for (u, weights) in self
                        .weights
                        .chunks_exact(3 * channels * outputs)
                        .enumerate()
                    {
                        let start = &source[(product * stride + u) * columns * channels..];
                        let sums = &mut sums[product * pitch * outputs..];
                        assert!(start.len() >= ((pixels - 1) * stride + 3) * channels);
                        assert!(sums.len() >= pixels * outputs);
                        // SAFETY: by the assertions.
                        unsafe {
                            multiply(
                                pixels,
                                start.as_ptr(),
                                stride * channels,
                                weights,
                                outputs,
                                sums.as_mut_ptr(),
                                outputs,
                                u > 0,
                            );
                        }
                    }
                }
                for row in 0..tile.rows {
                    finish(
                        row,
                        &sums[row * pitch * outputs..][..tile.columns * outputs],
                    );
                }
            },
        );
    }
}
