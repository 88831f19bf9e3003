//! Convolution; the twin of `shaders/conv2d.wgsl`.
//!
//! A tile of the operand is copied with its border. In it, the three pixels
//! that a row of the 3x3 kernel sees lie side by side, so the convolution is
//! one [product](super::product) over three views of the tile, one row of
//! pixels apart, and nothing like an im2col array is ever built. Rows
//! of the tile follow one another, so one product covers them all; the two
//! pixels between the rows of results are computed and thrown away.
//!
//! Convolutions of many channels are faster by [`winograd`].

use super::choose::{CpuChooser, bytes, convolution, vector};
use super::epilogue::{BoundEpilogue, Terms};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View, wrong_operand};
use super::number::{LANES, Number, with_number, words};
use super::product::{self, Factor, Product};
use super::simd::Fma;
use super::tiles::{Tile, Window, copy_pixel, copy_seen, first_tile, tiles};
use super::winograd;
use crate::exec::ExecError;
use crate::graph::{Element, Shape};
use crate::ops::{Axis, Conv2d, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands, Precision, Variant};
use half::bf16;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::sync::Arc;

/// X and weights are in T, the result in Y.
struct Convolution<T, Y> {
    kernel: usize,
    stride: usize,
    padding: Padding,
    x: View<T>,
    /// In the order of [`packings`].
    weights: View<T>,
    epilogue: BoundEpilogue<Y>,
    threads: Arc<Threads>,
}

pub(super) fn choose(node: &NodeOperands, op: &Conv2d, chooser: &CpuChooser) -> Choice {
    with_number!(chooser.precision, T => choose_as::<T>(node, op, chooser))
}

fn choose_as<T: Number>(node: &NodeOperands, op: &Conv2d, chooser: &CpuChooser) -> Choice {
    let (x, y) = (node.inputs[Conv2d::X].shape(), node.outputs[0].shape());
    // Where bf16 becomes f32, there are few outputs.
    let narrow = node.outputs[0].value.element == Element::Float;
    let can = |variant| can(op, variant) && (narrow || variant != Variant::Winograd);
    let wanted = chooser.conv2d.filter(|&variant| can(variant));
    let variant = wanted.unwrap_or(match winograd::pays(x.c, y.c) && can(Variant::Winograd) {
        true => Variant::Winograd,
        false => Variant::Only,
    });
    if variant == Variant::Winograd {
        return winograd::choose::<T>(node, op, chooser.threads);
    }
    let (_, scratch) = conv_tile::<T>(op, x.c, y, chooser.threads);
    Choice {
        variant,
        thread_bytes: bytes(scratch.iter().sum()),
        ..convolution(
            node,
            T::PRECISION,
            op.residuals(),
            packings::<T>(op, x.c, y.c),
        )
    }
}

/// Whether a variant computes this convolution.
fn can(op: &Conv2d, variant: Variant) -> bool {
    match variant {
        Variant::Only => true,
        Variant::Winograd => op.is_3x3_of_stride_1(),
        _ => false,
    }
}

/// The packings of weight, a [product](product::packing) over the kernel's rows,
/// and bias.
fn packings<T: Number>(op: &Conv2d, channels: usize, outputs: usize) -> [Packing; 2] {
    let mut rows = Axis::new(op.kernel, Coordinate::H, 1);
    let mut columns = Axis::new(op.kernel, Coordinate::W, 1);
    if op.backward {
        (rows, columns) = (rows.reversed(), columns.reversed());
    }
    let (plain, sizes) = weight_sizes(op, channels, outputs);
    let weight = product::packing::<T>(plain, &[rows], &[columns], sizes);
    [weight, vector(outputs)]
}

/// The shape of the weight, and which coordinates count outputs and channels.
pub(super) fn weight_sizes(
    op: &Conv2d,
    channels: usize,
    outputs: usize,
) -> (Shape, [(usize, Coordinate); 2]) {
    let shape = |n, c| Shape::new(n, c, op.kernel, op.kernel);
    match op.backward {
        true => (
            shape(channels, outputs),
            [(outputs, Coordinate::C), (channels, Coordinate::N)],
        ),
        false => (
            shape(outputs, channels),
            [(outputs, Coordinate::N), (channels, Coordinate::C)],
        ),
    }
}

/// The first tile of y, which are made one at a time, and the words that it
/// works in: the operand with its border, and sums.
fn conv_tile<T: Number>(
    op: &Conv2d,
    channels: usize,
    y: Shape,
    threads: usize,
) -> (Tile, [usize; 2]) {
    let depth = channels.next_multiple_of(T::DEPTH);
    let outputs = y.c.next_multiple_of(LANES);
    let tile = first_tile(
        y,
        words::<T>(depth * op.stride * op.stride) + outputs,
        threads,
    );
    let scratch = match op.kernel {
        1 if depth == channels => [0, tile.columns * outputs],
        1 => [words::<T>(tile.columns * depth), tile.columns * outputs],
        _ => {
            let (rows, columns) = Window::of_3x3(op.stride, op.padding).seen(&tile);
            [
                words::<T>(rows * columns * depth),
                tile.rows * columns * outputs,
            ]
        }
    };
    (tile, scratch)
}

pub(super) fn load(loading: &Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    match loading.precisions(Conv2d::X) {
        [Precision::Bf16, Precision::Bf16] => load_as::<bf16, bf16>(loading, op),
        [Precision::Bf16, _] => load_as::<bf16, f32>(loading, op),
        _ => load_as::<f32, f32>(loading, op),
    }
}

fn load_as<T: Factor, Y: Number>(loading: &Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    let x: View<T> = loading.input(Conv2d::X)?;
    let (y, variant) = (loading.output_value(0).shape, loading.node.variant);
    if !can(op, variant) {
        let reason = format!("has no convolution by {variant:?} for {op:?}");
        return Err(wrong_operand(loading.output_value(0), &reason));
    }
    if variant == Variant::Winograd {
        return winograd::load::<T>(loading, op);
    }
    let [weight, bias] = packings::<T>(op, x.shape.c, y.c);
    let bias = load_bias(loading, op, &bias)?;
    let (first, scratch) = conv_tile::<T>(op, x.shape.c, y, loading.threads.count());
    let tiles = tiles(y, first);
    let convolution = Convolution {
        kernel: op.kernel,
        stride: op.stride,
        padding: op.padding,
        x,
        weights: loading.weight(Conv2d::WEIGHT, &weight)?,
        threads: loading.thread_scratch(scratch.iter().sum())?,
        epilogue: BoundEpilogue::<Y>::new(loading, &op.epilogue, op.operands(), bias)?,
    };
    Ok(Box::new(move |record| {
        let terms = convolution.epilogue.terms(record);
        tiles.par_iter().for_each(|tile| {
            convolution.threads.scratch(scratch, |source, sums| {
                Arch::new().dispatch(AtWork {
                    convolution: &convolution,
                    terms: &terms,
                    tile,
                    source: bytemuck::cast_slice_mut(source),
                    sums,
                });
            });
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

/// A tile at work.
struct AtWork<'a, T, Y> {
    convolution: &'a Convolution<T, Y>,
    terms: &'a Terms,
    tile: &'a Tile,
    /// Pixels that the tile sees.
    source: &'a mut [T],
    sums: &'a mut [f32],
}

impl<T: Factor, Y: Number> WithSimd for AtWork<'_, T, Y> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.convolution.kernel {
            1 => self.tile_1x1(simd),
            _ => self.tile_3x3(simd),
        }
    }
}

impl<T: Factor, Y: Number> AtWork<'_, T, Y> {
    /// Outputs, padded.
    fn outputs(&self) -> usize {
        self.convolution.epilogue.y.shape.c.next_multiple_of(LANES)
    }

    #[inline(always)]
    fn tile_1x1<S: Simd>(self, simd: S) {
        let (x, outputs) = (&self.convolution.x, self.outputs());
        let channels = x.shape.c;
        let depth = channels.next_multiple_of(T::DEPTH);
        let columns = self.tile.columns;
        for row in 0..self.tile.rows {
            let first =
                (self.tile.n * x.shape.h + self.tile.top + row) * x.shape.w + self.tile.left;
            let (source, pitch): (&[T], usize) = if depth == channels {
                let len = (columns - 1) * x.pitch + channels;
                // SAFETY: the pixels of a row lie in the slot, and the program
                // lets nothing write them meanwhile.
                let row = unsafe { std::slice::from_raw_parts(x.address(first), len) };
                (row, x.pitch)
            } else {
                for (k, pixel) in self
                    .source
                    .chunks_exact_mut(depth)
                    .take(columns)
                    .enumerate()
                {
                    // SAFETY: as above.
                    copy_pixel(pixel, unsafe { x.pixel(first + k) });
                }
                (self.source, depth)
            };
            let product = Product {
                pixels: columns,
                depth,
                outputs,
                starts: &[0],
                pitches: [pitch, outputs],
                fetches: false,
            };
            // SAFETY: weights are packed before anything runs.
            let weights = unsafe { self.convolution.weights.pixel(0) };
            product.run(simd, source, weights, self.sums);
            self.convolution
                .store::<S>(self.tile, self.terms, row, self.sums);
        }
    }

    #[inline(always)]
    fn tile_3x3<S: Simd>(self, simd: S) {
        let Convolution {
            x, stride, padding, ..
        } = self.convolution;
        let (tile, outputs, stride) = (self.tile, self.outputs(), *stride);
        let depth = x.shape.c.next_multiple_of(T::DEPTH);
        let window = Window::of_3x3(stride, *padding);
        let (rows, columns) = window.seen(tile);
        // SAFETY: the program lets nothing write x meanwhile.
        unsafe { copy_seen(x, tile, window, self.source) };
        // Results of all rows at once, or of one row after the other where
        // the stride leaves no common distance between them.
        let (products, pixels, pitch) = match stride {
            1 => (1, tile.rows * columns - 2, columns),
            _ => (tile.rows, tile.columns, tile.columns),
        };
        // SAFETY: weights are packed before anything runs.
        let weights = unsafe { self.convolution.weights.pixel(0) };
        let starts = [0, 1, 2].map(|u| u * columns * depth);
        let product = Product {
            pixels,
            depth: 3 * depth,
            outputs,
            starts: &starts,
            pitches: [stride * depth, outputs],
            fetches: false,
        };
        let source = &self.source[..rows * columns * depth];
        for row in 0..products {
            let source = &source[row * stride * columns * depth..];
            let sums = &mut self.sums[row * pitch * outputs..];
            product.run(simd, source, weights, sums);
        }
        for (row, sums) in self
            .sums
            .chunks_exact(pitch * outputs)
            .take(tile.rows)
            .enumerate()
        {
            self.convolution.store::<S>(tile, self.terms, row, sums);
        }
    }
}

impl<T: Number, Y: Number> Convolution<T, Y> {
    /// Finishes and stores a row of a tile.
    #[inline(always)]
    fn store<S: Simd>(&self, tile: &Tile, terms: &Terms, row: usize, sums: &[f32]) {
        let y = self.epilogue.y.shape;
        let first = (tile.n * y.h + tile.top + row) * y.w + tile.left;
        let pitch = y.c.next_multiple_of(LANES);
        let sums = (&sums[..tile.columns * pitch], pitch);
        // SAFETY: no two tiles share a pixel, and the program lets no
        // operand of a node share elements with its result.
        unsafe {
            self.epilogue
                .store(Fma::of::<S>(), terms, sums, tile.n, first)
        };
    }
}
