//! Transposed convolution; the twin of `shaders/conv_transpose2d.wgsl`.
//!
//! Results of one phase (their coordinates modulo the stride) see the same
//! 2 x 2 taps, so each phase is two matrix products, one for each row of
//! taps, over a tile copied with its border.

use super::choose::{bytes, weight_and_bias, weighted};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::products::multiply_views;
use super::simd::vectorized;
use super::tiles::{Tile, copy_seen, first_tile, tiles};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Axis, ConvTranspose2d, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands};
use rayon::prelude::*;
use std::sync::Arc;

struct Enlargement {
    stride: usize,
    x: View,
    /// In the order of [`packings`].
    weights: View,
    bias: View,
    y: View,
    threads: Arc<Threads>,
}

pub(super) fn choose(node: &NodeOperands, op: &ConvTranspose2d, threads: usize) -> Choice {
    let (x, y) = (
        node.inputs[ConvTranspose2d::X].shape(),
        node.outputs[0].shape(),
    );
    let (_, scratch) = enlarged_tile(x, y.c, threads);
    Choice {
        thread_bytes: bytes(scratch),
        ..weighted(node, packings(op, x.c, y.c))
    }
}

/// The packings of weight and bias. The weight is `[row offset][column offset]
/// [upper, lower pixel][left, right pixel][channels][out channels]`: a result
/// whose coordinate is `f` modulo the stride sees the pixel below or right of
/// it through kernel index `(f + s / 2) % s`, the offset, and the one above or
/// left through one `s` further on.
fn packings(op: &ConvTranspose2d, channels: usize, outputs: usize) -> [Packing; 2] {
    let s = op.stride;
    let axes = vec![
        Axis::new(s, Coordinate::H, 1),
        Axis::new(s, Coordinate::W, 1),
        Axis::new(2, Coordinate::H, s).reversed(),
        Axis::new(2, Coordinate::W, s).reversed(),
        Axis::new(channels, Coordinate::N, 1),
        Axis::new(outputs, Coordinate::C, 1),
    ];
    let plain = Shape::new(channels, outputs, 2 * s, 2 * s);
    weight_and_bias(plain, axes, outputs)
}

/// The first tile of x, which are enlarged one at a time, and the elements that
/// it works in: the operand with its border, and sums.
fn enlarged_tile(x: Shape, outputs: usize, threads: usize) -> (Tile, usize) {
    let tile = first_tile(x, x.c + outputs, threads);
    let (rows, columns) = tile.seen(1);
    (tile, rows * columns * x.c + tile.rows * columns * outputs)
}

pub(super) fn load(loading: &Loading, op: &ConvTranspose2d) -> Result<Kernel, ExecError> {
    let (x, y) = (loading.input(ConvTranspose2d::X)?, loading.output(0)?);
    let [weight, bias] = packings(op, x.shape.c, y.shape.c);
    let (first, scratch) = enlarged_tile(x.shape, y.shape.c, loading.threads.count());
    let tiles = tiles(x.shape, first);
    let enlargement = Enlargement {
        stride: op.stride,
        x,
        weights: loading.weight(ConvTranspose2d::WEIGHT, &weight)?,
        bias: loading.weight(ConvTranspose2d::BIAS, &bias)?,
        y,
        threads: loading.thread_scratch(scratch)?,
    };
    Ok(Box::new(move |_| {
        tiles.par_iter().for_each(|tile| enlargement.tile(tile))
    }))
}

impl Enlargement {
    fn tile(&self, tile: &Tile) {
        let (channels, outputs, stride) = (self.x.shape.c, self.y.shape.c, self.stride);
        let (rows, columns) = tile.seen(1);
        let pixels = tile.rows * columns - 2;
        // SAFETY: weights are packed before anything runs.
        let weights = unsafe { self.weights.pixel(0) };
        let of_offset = 4 * channels * outputs;
        let sizes = [rows * columns * channels, tile.rows * columns * outputs];
        self.threads.scratch(sizes, |source, sums| {
            // SAFETY: the program lets nothing write x meanwhile.
            unsafe { copy_seen(&self.x, tile, 1, Padding::Zero, source) };
            for phase in 0..stride * stride {
                let (phase_i, phase_j) = (phase / stride, phase % stride);
                // The upper left of the 2 x 2 pixels, in the tile with its
                // border, and the offset in the kernel.
                let [i, j] = [phase_i, phase_j].map(|phase| phase + stride / 2);
                let (top, left) = (i / stride, j / stride);
                let offset = i % stride * stride + j % stride;
                let weights = &weights[offset * of_offset..][..of_offset];
                let start = |u: usize| ((top + u) * columns + left) * channels;
                multiply_views(
                    pixels,
                    (source, channels),
                    &[start(0), start(1)],
                    weights,
                    (sums, outputs),
                );
                for (row, sums) in sums.chunks_exact(columns * outputs).enumerate() {
                    let sums = &sums[..tile.columns * outputs];
                    self.store(tile, row, phase_i, phase_j, sums);
                }
            }
        });
    }

    fn store(&self, tile: &Tile, row: usize, phase_i: usize, phase_j: usize, sums: &[f32]) {
        let (shape, stride) = (self.y.shape, self.stride);
        // SAFETY: weights are packed before anything runs.
        let bias = unsafe { self.bias.pixel(0) };
        let i = (tile.top + row) * stride + phase_i;
        let first = (tile.n * shape.h + i) * shape.w + tile.left * stride + phase_j;
        vectorized!({
            for (k, sums) in sums.chunks_exact(shape.c).enumerate() {
                // SAFETY: no two tiles and no two phases share a pixel.
                let y = unsafe { self.y.pixel_mut(first + k * stride) };
                for ((y, sum), bias) in y.iter_mut().zip(sums).zip(bias) {
                    *y = sum + bias;
                }
            }
        });
    }
}
