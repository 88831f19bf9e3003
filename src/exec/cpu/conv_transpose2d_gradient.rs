//! The gradient of a transposed convolution; the twin of
//! `shaders/conv_transpose2d_gradient.wgsl`.
//!
//! It is a convolution with a kernel twice as wide as its stride: the pixels
//! that a row of the kernel sees lie side by side in a tile that is copied with
//! its border, so it is one [product](super::product) over as many views as the
//! kernel has rows.

use super::choose::{CpuChooser, bytes, maps};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{LANES, Number, with_number, with_numbers, words};
use super::product::{self, Factor, Product};
use super::tiles::{Tile, Window, copy_seen, first_tile, tiles};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::{Axis, ConvTranspose2dGradient, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands, Wanted};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::sync::Arc;

struct Reduction<T, Y> {
    window: Window,
    dy: View<T>,
    weights: View<T>,
    dx: View<Y>,
    threads: Arc<Threads>,
}

fn window(op: &ConvTranspose2dGradient) -> Window {
    Window {
        kernel: 2 * op.stride,
        stride: op.stride,
        pad: op.stride / 2,
        padding: Padding::Zero,
    }
}

pub(super) fn choose(
    node: &NodeOperands,
    op: &ConvTranspose2dGradient,
    chooser: &CpuChooser,
) -> Choice {
    with_number!(chooser.precision, T => choose_as::<T>(node, op, chooser.threads))
}

fn choose_as<T: Number>(
    node: &NodeOperands,
    op: &ConvTranspose2dGradient,
    threads: usize,
) -> Choice {
    let dy = node.inputs[ConvTranspose2dGradient::DY].shape();
    let dx = node.outputs[0].shape();
    let (_, scratch) = reduced_tile::<T>(op, dy.c, dx, threads);
    let mut choice = maps(node, T::PRECISION);
    choice.inputs[ConvTranspose2dGradient::WEIGHT] = Wanted::Weight(packing::<T>(op, dy.c, dx.c));
    choice.thread_bytes = bytes(scratch.iter().sum());
    choice
}

/// The packing of the weight: a [product](product::packing) over the kernel's
/// rows.
fn packing<T: Number>(op: &ConvTranspose2dGradient, channels: usize, outputs: usize) -> Packing {
    let side = 2 * op.stride;
    let [rows, columns] = [Coordinate::H, Coordinate::W].map(|axis| Axis::new(side, axis, 1));
    let plain = Shape::new(outputs, channels, side, side);
    let sizes = [(outputs, Coordinate::N), (channels, Coordinate::C)];
    product::packing::<T>(plain, &[rows], &[columns], sizes)
}

/// The first tile of dx, which are made one at a time, and the words that it
/// works in: what it sees of dy, and sums of a row.
fn reduced_tile<T: Number>(
    op: &ConvTranspose2dGradient,
    channels: usize,
    dx: Shape,
    threads: usize,
) -> (Tile, [usize; 2]) {
    let depth = channels.next_multiple_of(T::DEPTH);
    let outputs = dx.c.next_multiple_of(LANES);
    let seen = words::<T>(depth * op.stride * op.stride);
    let tile = first_tile(dx, seen + outputs, threads);
    let (rows, columns) = window(op).seen(&tile);
    let scratch = [words::<T>(rows * columns * depth), tile.columns * outputs];
    (tile, scratch)
}

pub(super) fn load(loading: &Loading, op: &ConvTranspose2dGradient) -> Result<Kernel, ExecError> {
    let precisions = loading.precisions(ConvTranspose2dGradient::DY);
    with_numbers!(precisions, T, Y => load_as::<T, Y>(loading, op))
}

fn load_as<T: Factor, Y: Number>(
    loading: &Loading,
    op: &ConvTranspose2dGradient,
) -> Result<Kernel, ExecError> {
    let dy: View<T> = loading.input(ConvTranspose2dGradient::DY)?;
    let dx: View<Y> = loading.output(0)?;
    let packing = packing::<T>(op, dy.shape.c, dx.shape.c);
    let (first, scratch) = reduced_tile::<T>(op, dy.shape.c, dx.shape, loading.threads.count());
    let tiles = tiles(dx.shape, first);
    let reduction = Reduction {
        window: window(op),
        dy,
        weights: loading.weight(ConvTranspose2dGradient::WEIGHT, &packing)?,
        dx,
        threads: loading.thread_scratch(scratch.iter().sum())?,
    };
    Ok(Box::new(move |_| {
        tiles.par_iter().for_each(|tile| {
            reduction.threads.scratch(scratch, |source, sums| {
                Arch::new().dispatch(AtWork {
                    reduction: &reduction,
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
    reduction: &'a Reduction<T, Y>,
    tile: &'a Tile,
    /// Pixels that the tile sees.
    source: &'a mut [T],
    /// Of a row.
    sums: &'a mut [f32],
}

impl<T: Factor, Y: Number> WithSimd for AtWork<'_, T, Y> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Reduction {
            window,
            dy,
            weights,
            dx,
            ..
        } = self.reduction;
        let (tile, shape) = (self.tile, dx.shape);
        let depth = dy.shape.c.next_multiple_of(T::DEPTH);
        let outputs = shape.c.next_multiple_of(LANES);
        let (_, columns) = window.seen(tile);
        // SAFETY: the program lets nothing write dy meanwhile.
        unsafe { copy_seen(dy, tile, *window, self.source) };
        // SAFETY: weights are packed before anything runs.
        let weights = unsafe { weights.pixel(0) };
        let starts: Vec<usize> = (0..window.kernel).map(|u| u * columns * depth).collect();
        let product = Product {
            pixels: tile.columns,
            depth: window.kernel * depth,
            outputs,
            starts: &starts,
            pitches: [window.stride * depth, outputs],
            fetches: false,
        };
        for row in 0..tile.rows {
            let source = &self.source[row * window.stride * columns * depth..];
            product.run(simd, source, weights, self.sums);
            let first = (tile.n * shape.h + tile.top + row) * shape.w + tile.left;
            let pixels = self.sums.chunks_exact(outputs).take(tile.columns);
            for (k, sums) in pixels.enumerate() {
                // SAFETY: no two tiles share a pixel.
                let dx = unsafe { dx.pixel_mut(first + k) };
                for (dx, &sum) in dx.iter_mut().zip(sums) {
                    *dx = Y::from_f32(sum);
                }
            }
        }
    }
}
