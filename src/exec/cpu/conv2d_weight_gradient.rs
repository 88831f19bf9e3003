//! The gradient of a convolution's weight; the twin of
//! `shaders/conv2d_weight_gradient.wgsl`.
//!
//! For each row of the kernel, `k * c` numbers of x, which lie side by side, by the
//! outputs of dy ([`OuterProduct`]). The image is divided into parts that do not
//! depend on the number of threads; each part adds up its tiles in sums of its
//! own, and these are added up in order. In bf16, two pixels are multiplied at once.

use super::choose::{bytes, maps};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{LANES, Number, with_number, words};
use super::outer_product::{Outer, OuterProduct, Pair};
use super::simd::vectorized;
use super::tiles::{Tile, Window, copy_seen, first_tile, tiles};
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::Conv2dWeightGradient;
use crate::plan::{Choice, NodeOperands, Precision};
use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;
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
    /// Channels of x as they are copied.
    channels: usize,
    dy: Shape,
    /// Of dy.
    tiles: Vec<Tile>,
    parts: usize,
}

impl Division {
    fn new<T: OuterFactor>(op: &Conv2dWeightGradient, x: Shape, dy: Shape) -> Self {
        let window = Window {
            kernel: op.kernel,
            stride: op.stride,
            pad: op.pad(),
            padding: op.padding,
        };
        let channels = x.c.next_multiple_of(T::DEPTH);
        let parts = (dy.n * dy.pixels() / PART_PIXELS).clamp(1, MAX_PARTS);
        let seen = channels * op.stride * op.stride;
        let tiles = tiles(dy, first_tile(dy, seen + OUTPUTS.min(dy.c), parts));
        Self {
            window,
            channels,
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
        self.window.kernel * self.channels
    }

    /// Outputs of a block, padded.
    fn outputs(&self) -> usize {
        OUTPUTS.min(self.dy.c).next_multiple_of(LANES)
    }

    /// Sums: of the parts and blocks, `[kernel row][k * c][outputs of a block]`.
    fn partial(&self) -> [usize; 2] {
        let of_block = self.window.kernel * self.row() * self.outputs();
        [self.parts * self.blocks(), of_block]
    }

    /// Words that a thread works in: pixels of x, and of dy.
    fn scratch<T: OuterFactor>(&self) -> [usize; 2] {
        let tile = self.tiles[0];
        let (rows, columns) = self.window.seen(&tile);
        let pixels = (tile.rows * columns.max(tile.columns)).next_multiple_of(T::PIXELS);
        [
            T::source_words(rows * columns * self.channels),
            words::<T>(pixels * self.outputs()),
        ]
    }
}

/// Numbers as outer products take them.
trait OuterFactor: Number {
    type Element: Outer;
    /// Pixels of an element.
    const PIXELS: usize;

    /// Words that [`elements`](Self::elements) takes for so many numbers.
    fn source_words(count: usize) -> usize;

    /// The elements of `count` numbers, which `copy` writes; those of the next pixel
    /// lie `step` numbers on.
    fn elements(
        words: &mut [f32],
        count: usize,
        step: usize,
        copy: impl FnOnce(&mut [Self]),
    ) -> &[Self::Element];
}

impl OuterFactor for f32 {
    type Element = f32;
    const PIXELS: usize = 1;

    fn source_words(count: usize) -> usize {
        count
    }

    fn elements(
        words: &mut [f32],
        count: usize,
        _step: usize,
        copy: impl FnOnce(&mut [f32]),
    ) -> &[f32] {
        copy(&mut words[..count]);
        &words[..count]
    }
}

impl OuterFactor for bf16 {
    type Element = Pair;
    const PIXELS: usize = 2;

    fn source_words(count: usize) -> usize {
        count + words::<bf16>(count)
    }

    fn elements(
        words: &mut [f32],
        count: usize,
        step: usize,
        copy: impl FnOnce(&mut [bf16]),
    ) -> &[Pair] {
        let (pairs, numbers) = words.split_at_mut(count);
        let numbers: &mut [bf16] = &mut bytemuck::cast_slice_mut(numbers)[..count];
        copy(numbers);
        let pairs: &mut [Pair] = bytemuck::cast_slice_mut(pairs);
        let (whole, last) = pairs.split_at_mut(count - step.min(count));
        vectorized!({
            let both = numbers.iter().zip(&numbers[step.min(count)..]);
            for (pair, (&first, &second)) in whole.iter_mut().zip(both) {
                *pair = Pair([first, second]);
            }
        });
        // After the last pixel there is none.
        let first = count - last.len();
        for (pair, &number) in last.iter_mut().zip(&numbers[first..]) {
            *pair = Pair([number, bf16::ZERO]);
        }
        pairs
    }
}

pub(super) fn choose(
    node: &NodeOperands,
    op: &Conv2dWeightGradient,
    precision: Precision,
) -> Choice {
    with_number!(precision, T => choose_as::<T>(node, op))
}

fn choose_as<T: OuterFactor>(node: &NodeOperands, op: &Conv2dWeightGradient) -> Choice {
    let [x, dy] = [0, 1].map(|index| node.inputs[index].shape());
    let division = Division::new::<T>(op, x, dy);
    let partial: usize = division.partial().iter().product();
    Choice {
        scratch: choice::scratch("partial_sums", partial),
        thread_bytes: bytes(division.scratch::<T>().iter().sum()),
        ..maps(node, T::PRECISION)
    }
}

pub(super) fn load(loading: &Loading, op: &Conv2dWeightGradient) -> Result<Kernel, ExecError> {
    let precision = loading
        .input_value(Conv2dWeightGradient::X)
        .format
        .precision;
    with_number!(precision, T => load_as::<T>(loading, op))
}

fn load_as<T: OuterFactor>(
    loading: &Loading,
    op: &Conv2dWeightGradient,
) -> Result<Kernel, ExecError> {
    let x: View<T> = loading.input(Conv2dWeightGradient::X)?;
    let dy: View<T> = loading.input(Conv2dWeightGradient::DY)?;
    let division = Division::new::<T>(op, x.shape, dy.shape);
    let gradient = Gradient {
        x,
        dy,
        dw: loading.tensor_output(0)?,
        partial: loading.scratch(division.partial())?,
        threads: loading.thread_scratch(division.scratch::<T>().iter().sum())?,
        division,
    };
    Ok(Box::new(move |_| gradient.run()))
}

struct Gradient<T> {
    division: Division,
    x: View<T>,
    dy: View<T>,
    /// `[o][c][k][k]`.
    dw: View,
    partial: View,
    threads: Arc<Threads>,
}

impl<T: OuterFactor> Gradient<T> {
    fn run(&self) {
        let tasks = (0..self.division.parts * self.division.blocks()).into_par_iter();
        tasks.for_each(|task| self.add_up_part(task));
        let outputs = (0..self.division.dy.c).into_par_iter();
        outputs.for_each(|output| self.finish(output));
    }

    /// The sums of a part for a block of outputs.
    fn add_up_part(&self, task: usize) {
        let blocks = self.division.blocks();
        let first = task % blocks * OUTPUTS;
        let channels = first..self.division.dy.c.min(first + OUTPUTS);
        // SAFETY: scratch of this node; this row of it belongs to this task.
        let sums = unsafe { self.partial.pixel_mut(task) };
        sums.fill(0.0);
        let threads = &self.threads;
        for tile in self.division.part(task / blocks) {
            threads.scratch(self.division.scratch::<T>(), |source, gradients| {
                self.add_up_tile(tile, channels.clone(), source, gradients, sums);
            });
        }
    }

    fn add_up_tile(
        &self,
        tile: &Tile,
        channels: Range<usize>,
        source: &mut [f32],
        gradients: &mut [f32],
        sums: &mut [f32],
    ) {
        let division = &self.division;
        let window = division.window;
        let (rows, columns) = window.seen(tile);
        // Numbers from one row of pixels to the next, and from what one result
        // sees to what the next one does.
        let of_row = columns * division.channels;
        let step = window.stride * division.channels;
        let source = T::elements(source, rows * of_row, step, |into| {
            // SAFETY: nothing writes x meanwhile.
            unsafe { copy_seen(&self.x, tile, window, into) };
        });
        // With stride 1, rows follow one another in one product; what stands
        // between them is multiplied with zeros.
        let (products, pixels, pitch) = match window.stride {
            1 => (1, tile.rows * columns - (window.kernel - 1), columns),
            _ => (tile.rows, tile.columns, tile.columns),
        };
        let product = OuterProduct {
            pixels: pixels.div_ceil(T::PIXELS),
            rows: division.row(),
            x_pitch: T::PIXELS * step,
            outputs: division.outputs(),
            sums_pitch: division.outputs(),
        };
        let starts: Vec<usize> = (0..window.kernel).map(|u| u * of_row).collect();
        for i in 0..products {
            let band = Tile {
                top: tile.top + i,
                rows: tile.rows / products,
                ..*tile
            };
            Arch::new().dispatch(AtWork::<T> {
                product,
                x: &source[i * window.stride * of_row..],
                starts: &starts,
                gradients: self.copy_gradients(&band, channels.clone(), pitch, gradients),
                sums,
            });
        }
    }

    /// Some channels of the pixels of a tile of dy, rows `pitch` pixels apart
    /// with zeros between them.
    fn copy_gradients<'a>(
        &self,
        tile: &Tile,
        channels: Range<usize>,
        pitch: usize,
        into: &'a mut [f32],
    ) -> &'a [T::Element] {
        let Shape { h, w, .. } = self.dy.shape;
        let outputs = self.division.outputs();
        let count = (tile.rows * pitch).next_multiple_of(T::PIXELS) * outputs;
        let into = &mut into[..words::<T>(count)];
        let numbers: &mut [T] = bytemuck::cast_slice_mut(into);
        vectorized!({
            numbers.fill(T::zeroed());
            for i in 0..tile.rows {
                let start = (tile.n * h + tile.top + i) * w + tile.left;
                for j in 0..tile.columns {
                    // SAFETY: nothing writes dy meanwhile.
                    let pixel = unsafe { self.dy.pixel(start + j) };
                    // In an element, each channel's numbers of its pixels follow
                    // one another.
                    let p = i * pitch + j;
                    let place = p / T::PIXELS * T::PIXELS * outputs + p % T::PIXELS;
                    let places = numbers[place..].iter_mut().step_by(T::PIXELS);
                    for (place, &v) in places.zip(&pixel[channels.clone()]) {
                        *place = v;
                    }
                }
            }
        });
        bytemuck::cast_slice(into)
    }

    /// Adds up the parts of an output.
    fn finish(&self, output: usize) {
        let division = &self.division;
        let (kernel, channels) = (division.window.kernel, self.x.shape.c);
        let taps = kernel * kernel;
        let (block, lane) = (output / OUTPUTS, output % OUTPUTS);
        let of_output = channels * taps;
        // SAFETY: the elements of this output belong to this task.
        let dw = unsafe {
            let first = self.dw.address(0).add(output * of_output);
            std::slice::from_raw_parts_mut(first, of_output)
        };
        dw.fill(0.0);
        for part in 0..division.parts {
            // SAFETY: the parts are done.
            let sums = unsafe { self.partial.pixel(part * division.blocks() + block) };
            for tap in 0..taps {
                for c in 0..channels {
                    let row = tap * division.channels + c;
                    dw[c * taps + tap] += sums[row * division.outputs() + lane];
                }
            }
        }
    }
}

/// A tile at work.
struct AtWork<'a, T: OuterFactor> {
    product: OuterProduct,
    x: &'a [T::Element],
    starts: &'a [usize],
    gradients: &'a [T::Element],
    sums: &'a mut [f32],
}

impl<T: OuterFactor> WithSimd for AtWork<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        (self.product).run(simd, self.x, self.starts, self.gradients, self.sums);
    }
}
