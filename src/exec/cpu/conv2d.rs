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
//! results added up afterwards ([`Variant::StackedProduct`]).
//!
//! Convolutions of many channels are faster by [`winograd`].

use super::choose::{CpuChooser, bytes, weight_and_bias, weighted};
use super::epilogue::{BoundEpilogue, Terms};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View, wrong_operand};
use super::products::{multiply, multiply_views};
use super::simd::{has_16_lanes, vectorized};
use super::tiles::{Tile, copy_seen, first_tile, tiles};
use super::winograd;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Axis, Conv2d, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands, Variant};
use rayon::prelude::*;
use std::sync::Arc;

struct Convolution {
    stride: usize,
    padding: Padding,
    x: View,
    /// In the order of [`packings`].
    weights: View,
    epilogue: BoundEpilogue,
    threads: Arc<Threads>,
}

pub(super) fn choose(node: &NodeOperands, op: &Conv2d, chooser: &CpuChooser) -> Choice {
    let (x, y) = (node.inputs[Conv2d::X].shape(), node.outputs[0].shape());
    let wanted = chooser.convolution.filter(|&variant| can(op, variant));
    let variant = wanted.unwrap_or(match (op.kernel, op.stride) {
        (1, _) => Variant::PointwiseProduct,
        (_, 1) if winograd::pays(x.c, y.c) => Variant::Winograd,
        // One vector of outputs, where micro-kernels are four wide.
        (_, 1) if y.c <= 16 && has_16_lanes() => Variant::StackedProduct,
        _ => Variant::RowProducts,
    });
    if variant == Variant::Winograd {
        return winograd::choose(node, chooser.threads);
    }
    let (_, scratch) = conv_tile(op, variant, x.c, y, chooser.threads);
    Choice {
        variant,
        thread_bytes: bytes(scratch),
        ..weighted(node, packings(op, variant, x.c, y.c))
    }
}

/// Whether a variant computes this convolution.
fn can(op: &Conv2d, variant: Variant) -> bool {
    match variant {
        Variant::PointwiseProduct => op.kernel == 1,
        Variant::StackedProduct | Variant::Winograd => op.kernel == 3 && op.stride == 1,
        Variant::RowProducts => op.kernel == 3,
        _ => false,
    }
}

/// The packings of weight and bias. The weight is `[kernel row]
/// [kernel column][channels][out channels]`; stacked, `[kernel column]
/// [channels][kernel row][out channels]`.
fn packings(op: &Conv2d, variant: Variant, channels: usize, outputs: usize) -> [Packing; 2] {
    let rows = Axis::new(op.kernel, Coordinate::H, 1);
    let columns = Axis::new(op.kernel, Coordinate::W, 1);
    let inputs = Axis::new(channels, Coordinate::C, 1);
    let results = Axis::new(outputs, Coordinate::N, 1);
    let axes = match variant {
        Variant::StackedProduct => vec![columns, inputs, rows, results],
        _ => vec![rows, columns, inputs, results],
    };
    let plain = Shape::new(outputs, channels, op.kernel, op.kernel);
    weight_and_bias(plain, axes, outputs)
}

/// The first tile of y, which are made one at a time, and the elements that it
/// works in: the operand with its border, and sums.
fn conv_tile(
    op: &Conv2d,
    variant: Variant,
    channels: usize,
    y: Shape,
    threads: usize,
) -> (Tile, usize) {
    let stacked = match variant {
        Variant::StackedProduct => 3,
        _ => 1,
    };
    let of_pixel = channels * op.stride * op.stride + stacked * y.c;
    let tile = first_tile(y, of_pixel, threads);
    let (rows, columns) = tile.seen(op.stride);
    let scratch = match variant {
        Variant::PointwiseProduct => tile.columns * y.c,
        Variant::StackedProduct => {
            rows * columns * channels + tile.columns * y.c + (rows * columns - 2) * 3 * y.c
        }
        _ => rows * columns * channels + tile.rows * columns * y.c,
    };
    (tile, scratch)
}

pub(super) fn load(loading: &Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    let x = loading.input(Conv2d::X)?;
    let (y, variant) = (loading.output(0)?.shape, loading.node.variant);
    if !can(op, variant) {
        let reason = format!("has no convolution by {variant:?} for {op:?}");
        return Err(wrong_operand(loading.output_value(0), &reason));
    }
    if variant == Variant::Winograd {
        return winograd::load(loading, op);
    }
    let [weight, bias] = packings(op, variant, x.shape.c, y.c);
    let bias = load_bias(loading, op, &bias)?;
    let (first, scratch) = conv_tile(op, variant, x.shape.c, y, loading.threads.count());
    let tiles = tiles(y, first);
    let convolution = Convolution {
        stride: op.stride,
        padding: op.padding,
        x,
        weights: loading.weight(Conv2d::WEIGHT, &weight)?,
        threads: loading.thread_scratch(scratch)?,
        epilogue: BoundEpilogue::new(loading, &op.epilogue, op.operands(), bias)?,
    };
    Ok(Box::new(move |record| {
        let terms = convolution.epilogue.terms(record);
        tiles.par_iter().for_each(|tile| match variant {
            Variant::PointwiseProduct => convolution.tile_1x1(tile, &terms),
            Variant::StackedProduct => convolution.tile_3x3_stacked(tile, &terms),
            _ => convolution.tile_3x3(tile, &terms),
        });
    }))
}

pub(super) fn load_bias(
    loading: &Loading,
    op: &Conv2d,
    packing: &Packing,
) -> Result<Option<View>, ExecError> {
    match op.bias {
        true => loading.weight(Conv2d::BIAS, packing).map(Some),
        false => Ok(None),
    }
}

impl Convolution {
    fn weights(&self) -> &[f32] {
        // SAFETY: weights are packed before anything runs.
        unsafe { self.weights.pixel(0) }
    }

    fn outputs(&self) -> usize {
        self.epilogue.y.shape.c
    }

    /// Finishes and stores a row of a tile.
    fn store(&self, tile: &Tile, terms: &Terms, row: usize, sums: &[f32]) {
        let y = self.epilogue.y.shape;
        let first = (tile.n * y.h + tile.top + row) * y.w + tile.left;
        vectorized!(fma => {
            // SAFETY: no two tiles share a pixel, and the program lets no
            // operand of a node share elements with its result.
            unsafe { self.epilogue.store(fma, terms, sums, tile.n, first) };
        });
    }

    fn tile_1x1(&self, tile: &Tile, terms: &Terms) {
        let (x, outputs) = (self.x, self.outputs());
        self.threads
            .scratch([tile.columns * outputs, 0], |sums, _| {
                for row in 0..tile.rows {
                    let first = (tile.n * x.shape.h + tile.top + row) * x.shape.w + tile.left;
                    // SAFETY: the pixels of a row lie in the slot, `sums` holds
                    // one result each.
                    unsafe {
                        multiply(
                            [tile.columns, x.shape.c, outputs],
                            (x.address(first), [x.pitch, 1]),
                            (self.weights().as_ptr(), outputs),
                            (sums.as_mut_ptr(), outputs),
                            false,
                        );
                    }
                    self.store(tile, terms, row, sums);
                }
            });
    }

    fn tile_3x3(&self, tile: &Tile, terms: &Terms) {
        let (channels, outputs, stride) = (self.x.shape.c, self.outputs(), self.stride);
        let (rows, columns) = tile.seen(stride);
        // Results of all rows at once, or of one row after the other where
        // the stride leaves no common distance between them.
        let (products, pixels, pitch) = match stride {
            1 => (1, tile.rows * columns - 2, columns),
            _ => (tile.rows, tile.columns, tile.columns),
        };
        let sizes = [rows * columns * channels, tile.rows * pitch * outputs];
        self.threads.scratch(sizes, |source, sums| {
            // SAFETY: the program lets nothing write x meanwhile.
            unsafe { copy_seen(&self.x, tile, stride, self.padding, source) };
            for product in 0..products {
                let start = |u: usize| (product * stride + u) * columns * channels;
                multiply_views(
                    pixels,
                    (source, stride * channels),
                    &[start(0), start(1), start(2)],
                    self.weights(),
                    (&mut sums[product * pitch * outputs..], outputs),
                );
            }
            for (row, sums) in sums.chunks_exact(pitch * outputs).enumerate() {
                self.store(tile, terms, row, &sums[..tile.columns * outputs]);
            }
        });
    }

    fn tile_3x3_stacked(&self, tile: &Tile, terms: &Terms) {
        let (channels, outputs) = (self.x.shape.c, self.outputs());
        let (rows, columns) = tile.seen(1);
        let pixels = rows * columns - 2;
        let (copied, width) = (rows * columns * channels, tile.columns * outputs);
        let sizes = [copied + width, pixels * 3 * outputs];
        self.threads.scratch(sizes, |source, stacked| {
            let (source, sums) = source.split_at_mut(copied);
            // SAFETY: the program lets nothing write x meanwhile.
            unsafe { copy_seen(&self.x, tile, 1, self.padding, source) };
            let y = (&mut *stacked, 3 * outputs);
            multiply_views(pixels, (source, channels), &[0], self.weights(), y);
            for row in 0..tile.rows {
                // What each row of the kernel makes of its row of pixels.
                let [upper, middle, lower] =
                    [0, 1, 2].map(|u| &stacked[(row + u) * columns * 3 * outputs..]);
                vectorized!({
                    for (j, sum) in sums.chunks_exact_mut(outputs).enumerate() {
                        let at = j * 3 * outputs;
                        let upper = &upper[at..][..outputs];
                        let middle = &middle[at + outputs..][..outputs];
                        let lower = &lower[at + 2 * outputs..][..outputs];
                        for o in 0..outputs {
                            sum[o] = upper[o] + middle[o] + lower[o];
                        }
                    }
                });
                self.store(tile, terms, row, sums);
            }
        });
    }
}
