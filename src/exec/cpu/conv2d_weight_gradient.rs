//! The gradient of a convolution's weight; the twin of
//! `shaders/conv2d_weight_gradient.wgsl`.
//!
//! A matrix product over pixels: for each row of the kernel, `k * c` numbers of
//! x, which lie side by side, by the outputs of dy. The image is divided into
//! parts that do not depend on the number of threads; each part adds up its
//! tiles in sums of its own, and these are added up in order.

use super::choose::{bytes, maps};
use super::gemm::multiply;
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{Number, with_numbers};
use super::simd::vectorized;
use super::tiles::{Tile, Window, copy_seen_as_f32, first_tile, tiles};
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::Conv2dWeightGradient;
use crate::plan::{Choice, NodeOperands, Precision};
use rayon::prelude::*;
use std::sync::Arc;

/// Parts of an image at most.
const MAX_PARTS: usize = 16;
/// Pixels of dy that a part has at least: with fewer, adding up the parts takes
/// as long as making them.
const PART_PIXELS: usize = 1024;
/// Outputs of a task.
const OUTPUTS: usize = 64;

/// How the work is divided.
#[derive(Clone)]
struct Division {
    window: Window,
    x: Shape,
    dy: Shape,
    /// Of dy.
    tiles: Vec<Tile>,
    parts: usize,
}

impl Division {
    fn new(op: &Conv2dWeightGradient, x: Shape, dy: Shape) -> Self {
        let window = Window {
            kernel: op.kernel,
            stride: op.stride,
            pad: op.pad(),
            padding: op.padding,
        };
        let parts = (dy.n * dy.pixels() / PART_PIXELS).clamp(1, MAX_PARTS);
        let seen = x.c * op.stride * op.stride;
        let tiles = tiles(dy, first_tile(dy, seen + OUTPUTS.min(dy.c), parts));
        Self {
            window,
            x,
            dy,
            parts: parts.min(tiles.len()),
            tiles,
        }
    }

    /// The tiles of a part.
    fn part(&self, part: usize) -> &[Tile] {
        let start = |part: usize| part * self.tiles.len() / self.parts;
        &self.tiles[start(part)..start(part + 1)]
    }

    /// Blocks of outputs.
    fn blocks(&self) -> usize {
        self.dy.c.div_ceil(OUTPUTS)
    }

    /// Numbers of x for one row of the kernel.
    fn row(&self) -> usize {
        self.window.kernel * self.x.c
    }

    /// Sums: of the parts, `[kernel row][k * c][o]`.
    fn partial(&self) -> [usize; 2] {
        let of_part = self.window.kernel * self.row() * self.dy.c;
        [self.parts, of_part]
    }

    /// What a thread works in: pixels of x, and of dy.
    fn scratch(&self) -> [usize; 2] {
        let tile = self.tiles[0];
        let (rows, columns) = self.window.seen(&tile);
        let outputs = OUTPUTS.min(self.dy.c);
        [
            rows * columns * self.x.c,
            tile.rows * columns.max(tile.columns) * outputs,
        ]
    }
}

pub(super) fn choose(
    node: &NodeOperands,
    op: &Conv2dWeightGradient,
    precision: Precision,
) -> Choice {
    let [x, dy] = [0, 1].map(|index| node.inputs[index].shape());
    let division = Division::new(op, x, dy);
    let partial: usize = division.partial().iter().product();
    Choice {
        scratch: choice::scratch("partial_sums", partial),
        thread_bytes: bytes(division.scratch().iter().sum()),
        ..maps(node, precision)
    }
}

pub(super) fn load(loading: &Loading, op: &Conv2dWeightGradient) -> Result<Kernel, ExecError> {
    let [x, dy] = [0, 1].map(|index| loading.input_value(index).format.precision);
    with_numbers!([x, dy], X, Y => load_as::<X, Y>(loading, op))
}

fn load_as<X: Number, Y: Number>(
    loading: &Loading,
    op: &Conv2dWeightGradient,
) -> Result<Kernel, ExecError> {
    let x: View<X> = loading.input(Conv2dWeightGradient::X)?;
    let dy: View<Y> = loading.input(Conv2dWeightGradient::DY)?;
    let dw = loading.tensor_output(0)?;
    let division = Division::new(op, x.shape, dy.shape);
    let partial = loading.scratch(division.partial())?;
    let threads = loading.thread_scratch(division.scratch().iter().sum())?;
    let gradient = Gradient {
        division,
        x,
        dy,
        dw,
        partial,
        threads,
    };
    Ok(Box::new(move |_| gradient.run()))
}

struct Gradient<X, Y> {
    division: Division,
    x: View<X>,
    dy: View<Y>,
    /// `[o][c][k][k]`.
    dw: View,
    partial: View,
    threads: Arc<Threads>,
}

impl<X: Number, Y: Number> Gradient<X, Y> {
    fn run(&self) {
        let blocks = self.division.blocks();
        let tasks = (0..self.division.parts * blocks).into_par_iter();
        tasks.for_each(|task| self.add_up_part(task / blocks, task % blocks * OUTPUTS));
        let outputs = (0..self.division.dy.c).into_par_iter();
        outputs.for_each(|output| self.finish(output));
    }

    /// The sums of a part for a block of outputs.
    fn add_up_part(&self, part: usize, first: usize) {
        let Division { window, dy, .. } = self.division;
        let (row, all) = (self.division.row(), dy.c);
        let outputs = OUTPUTS.min(all - first);
        // Outputs of other tasks lie between those of this one.
        let sums = self.partial.address(part);
        for at in 0..window.kernel * row {
            // SAFETY: scratch of this node; these sums belong to this task.
            unsafe { std::slice::from_raw_parts_mut(sums.add(at * all + first), outputs) }
                .fill(0.0);
        }
        for tile in self.division.part(part) {
            let (_, columns) = window.seen(tile);
            self.threads
                .scratch(self.division.scratch(), |source, gradients| {
                    // SAFETY: nothing writes x meanwhile.
                    unsafe { copy_seen_as_f32(&self.x, tile, window, source) };
                    // With stride 1, rows follow one another in one product; what
                    // stands between them is multiplied with zeros.
                    let pitch = match window.stride {
                        1 => columns,
                        _ => tile.columns,
                    };
                    self.copy_gradients(tile, first, outputs, pitch, gradients);
                    let (products, pixels) = match window.stride {
                        1 => (1, tile.rows * columns - (window.kernel - 1)),
                        _ => (tile.rows, tile.columns),
                    };
                    for i in 0..products {
                        let gradients = gradients[i * pitch * outputs..].as_ptr();
                        for u in 0..window.kernel {
                            let start = (i * window.stride + u) * columns * self.x.shape.c;
                            // SAFETY: all pixels lie in the tile's copies, and the
                            // sums belong to this task.
                            unsafe {
                                multiply(
                                    [row, pixels, outputs],
                                    (
                                        source[start..].as_ptr(),
                                        [1, window.stride * self.x.shape.c],
                                    ),
                                    (gradients, outputs),
                                    (sums.add(u * row * all + first), all),
                                    true,
                                );
                            }
                        }
                    }
                });
        }
    }

    /// Some outputs of the pixels of a tile of dy, rows `pitch` pixels apart
    /// with zeros between them.
    fn copy_gradients(
        &self,
        tile: &Tile,
        first: usize,
        outputs: usize,
        pitch: usize,
        into: &mut [f32],
    ) {
        let Shape { h, w, .. } = self.dy.shape;
        vectorized!({
            let rows = into.chunks_exact_mut(pitch * outputs).take(tile.rows);
            for (i, into) in rows.enumerate() {
                let (inside, between) = into.split_at_mut(tile.columns * outputs);
                between.fill(0.0);
                let start = (tile.n * h + tile.top + i) * w + tile.left;
                for (j, into) in inside.chunks_exact_mut(outputs).enumerate() {
                    // SAFETY: nothing writes dy meanwhile.
                    let pixel = unsafe { self.dy.pixel(start + j) };
                    for (into, v) in into.iter_mut().zip(&pixel[first..]) {
                        *into = v.to_f32();
                    }
                }
            }
        });
    }

    /// Adds up the parts of an output.
    fn finish(&self, output: usize) {
        let (kernel, channels) = (self.division.window.kernel, self.x.shape.c);
        let (taps, all) = (kernel * kernel, self.division.dy.c);
        let of_output = channels * taps;
        let first = output * of_output;
        // SAFETY: the elements of this output belong to this task.
        let dw =
            unsafe { std::slice::from_raw_parts_mut(self.dw.address(0).add(first), of_output) };
        dw.fill(0.0);
        for part in 0..self.division.parts {
            // SAFETY: the parts are done.
            let sums = unsafe { self.partial.pixel(part) };
            for tap in 0..taps {
                for c in 0..channels {
                    dw[c * taps + tap] += sums[(tap * channels + c) * all + output];
                }
            }
        }
    }
}
