//! Transposed convolution; the twin of `shaders/conv_transpose2d.wgsl`.
//!
//! Results of one phase (their coordinates modulo the stride) see the same
//! 2 x 2 taps, so each phase is one [product](super::product), of two views for
//! the two rows of taps, over a tile copied with its border.

use super::choose::{CpuChooser, bytes, convolution, vector};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{LANES, Number, with_number, words};
use super::product::{self, Factor, Product};
use super::tiles::{Tile, Window, copy_seen, first_tile, tiles};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Axis, ConvTranspose2d, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands, Precision};
use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::sync::Arc;

/// The pixels around a pixel of the operand.
const WINDOW: Window = Window {
    kernel: 3,
    stride: 1,
    pad: 1,
    padding: Padding::Zero,
};

/// X and weights are in T, the result in Y.
struct Enlargement<T, Y> {
    stride: usize,
    x: View<T>,
    /// In the order of [`packings`].
    weights: View<T>,
    bias: View,
    y: View<Y>,
    threads: Arc<Threads>,
}

pub(super) fn choose(node: &NodeOperands, op: &ConvTranspose2d, chooser: &CpuChooser) -> Choice {
    with_number!(chooser.precision, T => choose_as::<T>(node, op, chooser.threads))
}

fn choose_as<T: Number>(node: &NodeOperands, op: &ConvTranspose2d, threads: usize) -> Choice {
    let (x, y) = (
        node.inputs[ConvTranspose2d::X].shape(),
        node.outputs[0].shape(),
    );
    let (_, scratch) = enlarged_tile::<T>(x, y.c, threads);
    Choice {
        thread_bytes: bytes(scratch.iter().sum()),
        ..convolution(node, T::PRECISION, 0..0, packings::<T>(op, x.c, y.c))
    }
}

/// The packings of weight and bias. The weight is, for each `[row offset]
/// [column offset]`, a [product](product::packing) over `[upper, lower pixel]`
/// and, in its depth, `[left, right pixel]`: a result
/// whose coordinate is `f` modulo the stride sees the pixel below or right of
/// it through kernel index `(f + s / 2) % s`, the offset, and the one above or
/// left through one `s` further on.
fn packings<T: Number>(op: &ConvTranspose2d, channels: usize, outputs: usize) -> [Packing; 2] {
    let s = op.stride;
    let views = [
        Axis::new(s, Coordinate::H, 1),
        Axis::new(s, Coordinate::W, 1),
        Axis::new(2, Coordinate::H, s).reversed(),
    ];
    let columns = [Axis::new(2, Coordinate::W, s).reversed()];
    let plain = Shape::new(channels, outputs, 2 * s, 2 * s);
    let sizes = [(outputs, Coordinate::C), (channels, Coordinate::N)];
    let weight = product::packing::<T>(plain, &views, &columns, sizes);
    [weight, vector(outputs)]
}

/// The first tile of x, which are enlarged one at a time, and the words that
/// it works in: the operand with its border, and sums.
fn enlarged_tile<T: Number>(x: Shape, outputs: usize, threads: usize) -> (Tile, [usize; 2]) {
    let depth = x.c.next_multiple_of(T::DEPTH);
    let outputs = outputs.next_multiple_of(LANES);
    let tile = first_tile(x, words::<T>(depth) + outputs, threads);
    let (rows, columns) = WINDOW.seen(&tile);
    let scratch = [
        words::<T>(rows * columns * depth),
        tile.rows * columns * outputs,
    ];
    (tile, scratch)
}

pub(super) fn load(loading: &Loading, op: &ConvTranspose2d) -> Result<Kernel, ExecError> {
    match loading.precisions(ConvTranspose2d::X) {
        [Precision::Bf16, Precision::Bf16] => load_as::<bf16, bf16>(loading, op),
        [Precision::Bf16, _] => load_as::<bf16, f32>(loading, op),
        _ => load_as::<f32, f32>(loading, op),
    }
}

fn load_as<T: Factor, Y: Number>(
    loading: &Loading,
    op: &ConvTranspose2d,
) -> Result<Kernel, ExecError> {
    let x: View<T> = loading.input(ConvTranspose2d::X)?;
    let y: View<Y> = loading.output(0)?;
    let [weight, bias] = packings::<T>(op, x.shape.c, y.shape.c);
    let (first, scratch) = enlarged_tile::<T>(x.shape, y.shape.c, loading.threads.count());
    let tiles = tiles(x.shape, first);
    let enlargement = Enlargement {
        stride: op.stride,
        x,
        weights: loading.weight(ConvTranspose2d::WEIGHT, &weight)?,
        bias: loading.weight(ConvTranspose2d::BIAS, &bias)?,
        y,
        threads: loading.thread_scratch(scratch.iter().sum())?,
    };
    Ok(Box::new(move |_| {
        tiles.par_iter().for_each(|tile| {
            enlargement.threads.scratch(scratch, |source, sums| {
                Arch::new().dispatch(AtWork {
                    enlargement: &enlargement,
                    tile,
                    source: bytemuck::cast_slice_mut(source),
                    sums,
                });
            });
        });
    }))
}

/// A tile at work.
struct AtWork<'a, T, Y> {
    enlargement: &'a Enlargement<T, Y>,
    tile: &'a Tile,
    /// Pixels that the tile sees.
    source: &'a mut [T],
    sums: &'a mut [f32],
}

impl<T: Factor, Y: Number> WithSimd for AtWork<'_, T, Y> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Enlargement {
            stride,
            x,
            weights,
            y,
            ..
        } = self.enlargement;
        let (tile, stride) = (self.tile, *stride);
        let depth = x.shape.c.next_multiple_of(T::DEPTH);
        let outputs = y.shape.c.next_multiple_of(LANES);
        let (rows, columns) = WINDOW.seen(tile);
        // SAFETY: the program lets nothing write x meanwhile.
        unsafe { copy_seen(x, tile, WINDOW, self.source) };
        // SAFETY: weights are packed before anything runs.
        let weights = unsafe { weights.pixel(0) };
        let of_offset = 4 * depth * outputs;
        for phase in 0..stride * stride {
            let (phase_i, phase_j) = (phase / stride, phase % stride);
            // The upper left of the 2 x 2 pixels, in the tile with its
            // border, and the offset in the kernel.
            let [i, j] = [phase_i, phase_j].map(|phase| phase + stride / 2);
            let (top, left) = (i / stride, j / stride);
            let offset = i % stride * stride + j % stride;
            let product = Product {
                pixels: tile.rows * columns - 2,
                depth: 2 * depth,
                outputs,
                starts: &[0, columns * depth],
                pitches: [depth, outputs],
                fetches: false,
            };
            let source = &self.source[(top * columns + left) * depth..rows * columns * depth];
            let weights = &weights[offset * of_offset..][..of_offset];
            product.run(simd, source, weights, self.sums);
            let bands = self.sums.chunks_exact(columns * outputs).take(tile.rows);
            for (row, sums) in bands.enumerate() {
                let sums = &sums[..tile.columns * outputs];
                self.enlargement.store(tile, row, [phase_i, phase_j], sums);
            }
        }
    }
}

impl<T: Number, Y: Number> Enlargement<T, Y> {
    #[inline(always)]
    fn store(&self, tile: &Tile, row: usize, [phase_i, phase_j]: [usize; 2], sums: &[f32]) {
        let (shape, stride) = (self.y.shape, self.stride);
        // SAFETY: weights are packed before anything runs.
        let bias = unsafe { self.bias.pixel(0) };
        let i = (tile.top + row) * stride + phase_i;
        let first = (tile.n * shape.h + i) * shape.w + tile.left * stride + phase_j;
        let pixels = sums.chunks_exact(shape.c.next_multiple_of(LANES));
        for (k, sums) in pixels.enumerate() {
            // SAFETY: no two tiles and no two phases share a pixel.
            let y = unsafe { self.y.pixel_mut(first + k * stride) };
            for ((y, sum), bias) in y.iter_mut().zip(sums).zip(bias) {
                *y = Y::from_f32(sum + bias);
            }
        }
    }
}
