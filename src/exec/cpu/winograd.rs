//! 3x3 convolution of stride 1 by Winograd's algorithm
//! ([`ops::winograd`](crate::ops::winograd)).
//!
//! The result is cut into tiles of 4 x 4 pixels, and these into blocks, one
//! task each, whose transformed operands and products stay in the cache:
//!
//! 1. the 6 x 6 pixels that each tile sees become 36 points
//!    (`[tile][point][channels]`),
//! 2. at each point, one matrix product over the block's tiles
//!    (`[tile][point][out channels]`),
//! 3. the 36 products of a tile become its 4 x 4 results, and the epilogue
//!    stores them.
//!
//! Vectors run along channels in all three, which are padded to [`LANES`].

mod pack;
mod transforms;

pub(super) use pack::{pack, packed_for};

use super::choose::{bytes, convolution};
use super::conv2d::load_bias;
use super::epilogue::{BoundEpilogue, Terms};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{LANES, Number, words};
use super::product::{Factor, Product};
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::winograd::{OUTPUTS, POINTS};
use crate::ops::{Conv2d, Padding};
use crate::plan::{Choice, NodeOperands, Variant};
use pack::packings;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Products of a tile for each pair of channels.
const PRODUCTS: usize = POINTS * POINTS;
/// Words of a block's transformed operand and products: 256 KiB, a part of
/// a second-level cache; up to 512 KiB for a block of [`ENOUGH_TILES`].
const BLOCK_WORDS: [usize; 2] = [64 * 1024, 128 * 1024];
/// With fewer tiles in a block, reading the weights takes longer than
/// multiplying with them.
const ENOUGH_TILES: usize = 20;
/// Bytes of weights that stay in a second-level cache from block to block, beside
/// what a block works on.
const CACHED_WEIGHTS: usize = 512 * 1024;
/// Tiles of a row that are transformed together: their columns, transformed
/// along one axis, stay in the first-level cache.
const RUN: usize = 8;
/// Columns that a run sees.
const RUN_COLUMNS: usize = RUN * OUTPUTS + 2;

/// Whether this algorithm is the faster one for 3x3 kernels of so many input
/// and output channels: with few, transforms take longer than they save. The
/// image's size does not matter, so that all sizes share their weights.
pub(super) fn pays(channels: usize, outputs: usize) -> bool {
    channels >= LANES && outputs >= LANES
}

pub(super) fn choose<T: Number>(node: &NodeOperands, op: &Conv2d, threads: usize) -> Choice {
    let (x, y) = (node.inputs[Conv2d::X].shape(), node.outputs[0].shape());
    let blocks = Blocks::new::<T>(x.c, y, threads);
    Choice {
        variant: Variant::Winograd,
        thread_bytes: bytes(blocks.scratch::<T>().iter().sum()),
        ..convolution(
            node,
            T::PRECISION,
            op.residuals(),
            packings::<T>(op, x.c, y.c),
        )
    }
}

/// How the tiles of a result are divided.
#[derive(Clone, Copy)]
struct Blocks {
    channels: usize,
    y: Shape,
    /// Tiles of a column and of a row of the image.
    grid: [usize; 2],
    blocks: usize,
}

impl Blocks {
    fn new<T: Number>(channels: usize, y: Shape, threads: usize) -> Self {
        let grid = [y.h, y.w].map(|size| size.div_ceil(OUTPUTS));
        let mut blocks = Self {
            channels,
            y,
            grid,
            blocks: 1,
        };
        let of_tile = words::<T>(blocks.x_pitch()) + blocks.product_pitch();
        let [few, most] = BLOCK_WORDS.map(|words| words / of_tile);
        let fitting = few.max(most.min(ENOUGH_TILES)).max(1);
        let tiles = blocks.tiles();
        // A multiple of the threads, so that none waits long.
        let count = tiles.div_ceil(fitting).next_multiple_of(threads);
        blocks.blocks = count.min(tiles).max(1);
        blocks
    }

    fn tiles(&self) -> usize {
        self.y.n * self.grid[0] * self.grid[1]
    }

    /// The tiles of a block, counted through rows and samples.
    fn block(&self, index: usize) -> Range<usize> {
        let start = |index: usize| index * self.tiles() / self.blocks;
        start(index)..start(index + 1)
    }

    /// Distance of tiles among transformed pixels. Not a power of two, whose
    /// multiples share the lines of a cache.
    fn x_pitch(&self) -> usize {
        PRODUCTS * self.channels.next_multiple_of(LANES) + LANES
    }

    /// Distance of tiles among products.
    fn product_pitch(&self) -> usize {
        PRODUCTS * self.y.c.next_multiple_of(LANES) + LANES
    }

    /// Words that a thread works in: transformed pixels and products; zeros
    /// for pixels outside the image, and the results of a run.
    fn scratch<T: Number>(&self) -> [usize; 2] {
        let tiles = self.tiles().div_ceil(self.blocks);
        let results = OUTPUTS * RUN * OUTPUTS * self.y.c;
        [
            tiles * (words::<T>(self.x_pitch()) + self.product_pitch()),
            words::<T>(self.channels.next_multiple_of(LANES)) + results,
        ]
    }

    /// Runs of at most [`RUN`] tiles of one row.
    fn runs(&self, tiles: Range<usize>) -> impl Iterator<Item = Run> {
        let [rows, columns] = self.grid;
        let mut first = tiles.start;
        std::iter::from_fn(move || {
            (first < tiles.end).then(|| {
                let column = first % columns;
                let len = RUN.min(columns - column).min(tiles.end - first);
                let run = Run {
                    first: first - tiles.start,
                    n: first / columns / rows,
                    top: first / columns % rows * OUTPUTS,
                    left: column * OUTPUTS,
                    len,
                };
                first += len;
                run
            })
        })
    }
}

/// Tiles that lie side by side.
struct Run {
    /// The first one's index in its block.
    first: usize,
    n: usize,
    top: usize,
    left: usize,
    /// Tiles.
    len: usize,
}

struct Convolution<T> {
    padding: Padding,
    x: View<T>,
    /// In the order of [`packings`].
    weights: View<T>,
    blocks: Blocks,
    epilogue: BoundEpilogue<T>,
    threads: Arc<Threads>,
}

pub(super) fn load<T: Factor>(loading: &Loading, op: &Conv2d) -> Result<Kernel, ExecError> {
    let x: View<T> = loading.input(Conv2d::X)?;
    let y = loading.output_value(0).shape;
    let [weight, bias] = packings::<T>(op, x.shape.c, y.c);
    let bias = load_bias(loading, op, &bias)?;
    let blocks = Blocks::new::<T>(x.shape.c, y, loading.threads.count());
    let convolution = Convolution {
        padding: op.padding,
        x,
        weights: loading.weight(Conv2d::WEIGHT, &weight)?,
        blocks,
        epilogue: BoundEpilogue::new(loading, &op.epilogue, op.operands(), bias)?,
        threads: loading.thread_scratch(blocks.scratch::<T>().iter().sum())?,
    };
    Ok(Box::new(move |record| {
        let terms = convolution.epilogue.terms(record);
        let blocks = convolution.blocks;
        (0..blocks.blocks).into_par_iter().for_each(|block| {
            let tiles = blocks.block(block);
            let threads = &convolution.threads;
            threads.scratch(blocks.scratch::<T>(), |block, rest| {
                Arch::new().dispatch(Block {
                    convolution: &convolution,
                    terms: &terms,
                    tiles,
                    block,
                    rest,
                });
            });
        });
    }))
}

/// A block at work.
struct Block<'a, T> {
    convolution: &'a Convolution<T>,
    terms: &'a Terms,
    tiles: Range<usize>,
    /// Transformed pixels and products.
    block: &'a mut [f32],
    rest: &'a mut [f32],
}

impl<T: Factor> WithSimd for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Convolution {
            blocks, weights, ..
        } = self.convolution;
        let channels = blocks.channels.next_multiple_of(LANES);
        let (pitch, product_pitch) = (blocks.x_pitch(), blocks.product_pitch());
        let points = words::<T>(self.tiles.len() * pitch);
        let (points, products) = self.block.split_at_mut(points);
        let (zeros, results) = self.rest.split_at_mut(words::<T>(channels));
        let points: &mut [T] = bytemuck::cast_slice_mut(points);
        zeros.fill(0.0);
        let zeros: &[T] = bytemuck::cast_slice(zeros);
        for run in blocks.runs(self.tiles.clone()) {
            let points = &mut points[run.first * pitch..];
            self.convolution.transform(simd, &run, zeros, points);
        }
        // SAFETY: weights are packed before anything runs.
        let weights = unsafe { weights.pixel(0) };
        let product = Product {
            pixels: self.tiles.len(),
            depth: blocks.channels.next_multiple_of(T::DEPTH),
            outputs: blocks.y.c.next_multiple_of(LANES),
            starts: &[0],
            pitches: [pitch, product_pitch],
            fetches: size_of_val(weights) > CACHED_WEIGHTS,
        };
        let of_point = weights.len() / PRODUCTS;
        for (point, weights) in weights.chunks_exact(of_point).enumerate() {
            product.run(
                simd,
                &points[point * channels..],
                weights,
                &mut products[point * product.outputs..],
            );
        }
        for run in blocks.runs(self.tiles.clone()) {
            let products = &products[run.first * product_pitch..];
            self.convolution
                .finish(simd, self.terms, &run, products, results);
        }
    }
}
