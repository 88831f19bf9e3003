//! Convolution; the twin of `shaders/conv2d.wgsl`.
//!
//! A tile of the operand is copied with its border. In it, the three pixels
//! that a row of the 3x3 kernel sees lie side by side, so the convolution is
//! three matrix products with `3 * channels` inner elements each, over
//! overlapping pixels, and nothing like an im2col array is ever built. Rows
//! of the tile follow one another, so one product covers them all; the two
//! pixels between the rows of results are computed and thrown away.
//!
//! A convolution with few outputs leaves most of a micro-kernel idle. Its
//! three products are stacked to one with three times the outputs, and their
//! results added up afterwards ([`Variant::Stacked`]).

use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::products::{multiply, multiply_views, with_scratch};
use super::simd::{has_16_lanes, vectorized, vectorized_mut};
use super::tiles::{Tile, copy_seen, tiles};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Conv2d, Padding};
use rayon::prelude::*;

/// How a convolution is made of matrix products; the seam for further ways.
#[derive(Clone, Copy, PartialEq)]
enum Variant {
    /// 1x1: one product.
    Pointwise,
    /// 3x3: one product for each row of the kernel, added up as they come.
    Rows,
    /// 3x3: one product for all rows of the kernel, added up afterwards.
    Stacked,
}

impl Variant {
    fn choose(op: &Conv2d, outputs: usize) -> Self {
        match (op.kernel, op.stride) {
            (1, _) => Variant::Pointwise,
            // One vector of outputs, where micro-kernels are four wide.
            (_, 1) if outputs <= 16 && has_16_lanes() => Variant::Stacked,
            _ => Variant::Rows,
        }
    }
}

/// A convolution with its operands.
struct Convolution {
    variant: Variant,
    stride: usize,
    padding: Padding,
    x: View,
    /// `[kernel row][kernel column * channels][out channels]`; stacked,
    /// `[kernel column * channels][kernel row * out channels]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    epilogue: BoundEpilogue,
}

pub(super) fn load(loading: &mut Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    let x = loading.input(Conv2d::X);
    let epilogue = BoundEpilogue::new(loading, &op.epilogue, op.operands());
    let y = epilogue.y.shape;
    let weight = loading.weight(Conv2d::WEIGHT)?;
    let variant = Variant::choose(op, y.c);
    let shape = Shape::new(y.c, x.shape.c, op.kernel, op.kernel);
    let convolution = Convolution {
        variant,
        stride: op.stride,
        padding: op.padding,
        x,
        weights: pack(&weight, shape, variant),
        bias: match op.bias {
            true => loading.weight(Conv2d::BIAS)?.into_owned(),
            false => vec![0.0; y.c],
        },
        epilogue,
    };
    let sums = if variant == Variant::Stacked { 3 } else { 1 };
    let elements = x.shape.c * op.stride * op.stride + sums * y.c;
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
            match convolution.variant {
                Variant::Pointwise => convolution.tile_1x1(tile, finish),
                Variant::Rows => convolution.tile_3x3(tile, finish),
                Variant::Stacked => convolution.tile_3x3_stacked(tile, finish),
            }
        });
    }))
}

/// `[o, c, k, k]` to the order of [`Convolution::weights`].
fn pack(weight: &[f32], shape: Shape, variant: Variant) -> Vec<f32> {
    let Shape {
        n: outputs,
        c: channels,
        h: side,
        ..
    } = shape;
    let mut packed = vec![0.0; weight.len()];
    for o in 0..outputs {
        for c in 0..channels {
            for u in 0..side {
                for v in 0..side {
                    let k = v * channels + c;
                    let at = match variant {
                        Variant::Pointwise | Variant::Rows => u * side * channels + k,
                        Variant::Stacked => k * side + u,
                    };
                    packed[at * outputs + o] = weight[((o * channels + c) * side + u) * side + v];
                }
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
                unsafe { copy_seen(&self.x, tile, stride, self.padding, source) };
                for product in 0..products {
                    let start = |u: usize| (product * stride + u) * columns * channels;
                    multiply_views(
                        pixels,
                        source,
                        stride * channels,
                        &[start(0), start(1), start(2)],
                        &self.weights,
                        outputs,
                        &mut sums[product * pitch * outputs..],
                    );
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

    fn tile_3x3_stacked(&self, tile: &Tile, finish: impl Fn(usize, &[f32])) {
        let (channels, outputs) = (self.x.shape.c, self.bias.len());
        let (rows, columns) = (tile.rows + 2, tile.columns + 2);
        let pixels = rows * columns - 2;
        let (copied, width) = (rows * columns * channels, tile.columns * outputs);
        with_scratch(copied + width, pixels * 3 * outputs, |source, stacked| {
            let (source, sums) = source.split_at_mut(copied);
            // SAFETY: the plan lets nothing write x meanwhile.
            unsafe { copy_seen(&self.x, tile, 1, self.padding, source) };
            let weights = &self.weights;
            multiply_views(
                pixels,
                source,
                channels,
                &[0],
                weights,
                3 * outputs,
                stacked,
            );
            for row in 0..tile.rows {
                // What each row of the kernel makes of its row of pixels.
                let [upper, middle, lower] =
                    [0, 1, 2].map(|u| &stacked[(row + u) * columns * 3 * outputs..]);
                vectorized_mut(
                    #[inline(always)]
                    || {
                        for (j, sum) in sums.chunks_exact_mut(outputs).enumerate() {
                            let at = j * 3 * outputs;
                            let upper = &upper[at..][..outputs];
                            let middle = &middle[at + outputs..][..outputs];
                            let lower = &lower[at + 2 * outputs..][..outputs];
                            for o in 0..outputs {
                                sum[o] = upper[o] + middle[o] + lower[o];
                            }
                        }
                    },
                );
                finish(row, sums);
            }
        });
    }
}
