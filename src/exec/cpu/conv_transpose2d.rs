//! Transposed convolution; the twin of `shaders/conv_transpose2d.wgsl`.
//!
//! Results of one phase (their coordinates modulo the stride) see the same
//! 2 x 2 taps, so each phase is two matrix products, one for each row of
//! taps, over a tile copied with its border.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::products::{multiply_views, with_scratch};
use super::simd::vectorized;
use super::tiles::{Tile, copy_seen, tiles};
use crate::exec::ExecError;
use crate::ops::{ConvTranspose2d, Padding};
use rayon::prelude::*;

struct Enlargement {
    stride: usize,
    x: View,
    /// `[phase][tap row][tap column * channels][out channels]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    y: View,
}

pub(super) fn load(loading: &mut Loading, op: &ConvTranspose2d) -> Result<Kernel, ExecError> {
    let (x, y) = (loading.input(ConvTranspose2d::X), loading.output(0));
    let weight = loading.weight(ConvTranspose2d::WEIGHT)?;
    let enlargement = Enlargement {
        stride: op.stride,
        x,
        weights: pack(&weight, x.shape.c, y.shape.c, op.stride),
        bias: loading.weight(ConvTranspose2d::BIAS)?.into_owned(),
        y,
    };
    let elements = x.shape.c + y.shape.c;
    let tiles = tiles(x.shape, elements, rayon::current_num_threads());
    Ok(Box::new(move |_| {
        tiles.par_iter().for_each(|tile| enlargement.tile(tile))
    }))
}

/// `[c, o, 2s, 2s]` to `[s * s][2][2 * c][o]`. A pixel of phase `f` sees the
/// pixel below or right of it (tap 1) through kernel index `(f + s / 2) % s`,
/// the one above or left (tap 0) through one `s` further on.
fn pack(weight: &[f32], channels: usize, outputs: usize, stride: usize) -> Vec<f32> {
    let side = 2 * stride;
    let index = |phase: usize, tap: usize| (phase + stride / 2) % stride + (1 - tap) * stride;
    let mut packed = Vec::with_capacity(weight.len());
    for phase in 0..stride * stride {
        for tap in 0..4 {
            let u = index(phase / stride, tap / 2);
            let v = index(phase % stride, tap % 2);
            for c in 0..channels {
                for o in 0..outputs {
                    packed.push(weight[((c * outputs + o) * side + u) * side + v]);
                }
            }
        }
    }
    packed
}

impl Enlargement {
    fn tile(&self, tile: &Tile) {
        let (channels, outputs) = (self.x.shape.c, self.y.shape.c);
        let (rows, columns) = (tile.rows + 2, tile.columns + 2);
        let pixels = tile.rows * columns - 2;
        with_scratch(
            rows * columns * channels,
            tile.rows * columns * outputs,
            |source, sums| {
                // SAFETY: the plan lets nothing write x meanwhile.
                unsafe { copy_seen(&self.x, tile, 1, Padding::Zero, source) };
                let phases = self.weights.chunks_exact(4 * channels * outputs);
                for (phase, weights) in phases.enumerate() {
                    // The upper left of the 2 x 2 pixels, in the tile with its border.
                    let (phase_i, phase_j) = (phase / self.stride, phase % self.stride);
                    let top = (phase_i + self.stride / 2) / self.stride;
                    let left = (phase_j + self.stride / 2) / self.stride;
                    let start = |u: usize| ((top + u) * columns + left) * channels;
                    let starts = [start(0), start(1)];
                    multiply_views(pixels, source, channels, &starts, weights, outputs, sums);
                    for row in 0..tile.rows {
                        let sums = &sums[row * columns * outputs..][..tile.columns * outputs];
                        self.store(tile, row, phase_i, phase_j, sums);
                    }
                }
            },
        );
    }

    fn store(&self, tile: &Tile, row: usize, phase_i: usize, phase_j: usize, sums: &[f32]) {
        let (shape, stride) = (self.y.shape, self.stride);
        let i = (tile.top + row) * stride + phase_i;
        let first = (tile.n * shape.h + i) * shape.w + tile.left * stride + phase_j;
        vectorized(
            #[inline(always)]
            || {
                for (k, sums) in sums.chunks_exact(shape.c).enumerate() {
                    // SAFETY: no two tiles and no two phases share a pixel.
                    let y = unsafe { self.y.pixel_mut(first + k * stride) };
                    for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&self.bias) {
                        *y = sum + bias;
                    }
                }
            },
        );
    }
}
