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
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

use super::choose::{bytes, convolution, vector};
use super::conv2d::{load_bias, weight_sizes};
use super::epilogue::{BoundEpilogue, Terms};
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::number::{LANES, Number, words};
use super::product::{self, Factor, Product};
use super::simd::{Fma, load_lanes, store_lanes, vectorized};
use super::tiles::source;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::winograd::{A, A2, B, B2, OUTPUTS, POINTS, Winograd};
use crate::ops::{Axis, Conv2d, Coordinate, Packing, Padding};
use crate::plan::{Choice, NodeOperands, Variant};
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

/// The packings of weight, a [product](product::packing) at each point, and bias.
fn packings<T: Number>(op: &Conv2d, channels: usize, outputs: usize) -> [Packing; 2] {
    let points = [
        Axis::new(POINTS, Coordinate::H, 1),
        Axis::new(POINTS, Coordinate::W, 1),
    ];
    let (plain, sizes) = weight_sizes(op, channels, outputs);
    let weight = Packing {
        winograd: Some(Winograd::F4),
        turned: op.backward,
        ..product::packing::<T>(plain, &points, &[], sizes)
    };
    [weight, vector(outputs)]
}

/// Packs a weight as [`Packing::apply`] does, but fast: all blocks of outputs
/// and channels at once.
///
/// # Panics
/// When `plain` or `packed` has not the length that the packing says.
pub(super) fn pack<T: Number>(sizes: PackedSizes, plain: &[f32], packed: &mut [T]) {
    let PackedSizes {
        outputs,
        channels,
        backward,
    } = sizes;
    assert_eq!(
        plain.len(),
        outputs * channels * 9,
        "winograd: plain tensor"
    );
    let blocks = outputs.div_ceil(LANES);
    let depth = channels.next_multiple_of(T::DEPTH);
    let of_point = blocks * depth * LANES;
    assert_eq!(packed.len(), PRODUCTS * of_point, "winograd: packed array");
    if !(outputs.is_multiple_of(LANES) && channels == depth) {
        packed.fill(T::zeroed());
    }
    let g = Winograd::F4.kernel_matrix();
    vectorized!({
        for at in 0..blocks * channels {
            let (block, c) = (at / channels, at % channels);
            let first = block * LANES;
            let mut kernels = [[0.0; LANES]; 9];
            for lane in 0..LANES.min(outputs - first) {
                let (output, at) = (first + lane, |at: usize| &plain[at * 9..][..9]);
                let kernel = match backward {
                    true => at(c * outputs + output),
                    false => at(output * channels + c),
                };
                for (k, lanes) in kernels.iter_mut().enumerate() {
                    let k = if backward { 8 - k } else { k };
                    lanes[lane] = f64::from(kernel[k]);
                }
            }
            let row = (block * depth + c / T::DEPTH * T::DEPTH) * LANES + c % T::DEPTH;
            for (u, across) in g.iter().enumerate() {
                let mut along_columns = [[0.0; LANES]; 3];
                for (j, lanes) in along_columns.iter_mut().enumerate() {
                    for (k, sum) in lanes.iter_mut().enumerate() {
                        let [upper, middle, lower] = [0, 3, 6].map(|i| kernels[i + j][k]);
                        *sum = across[0] * upper + across[1] * middle + across[2] * lower;
                    }
                }
                let [left, middle, right] = &along_columns;
                for (v, down) in g.iter().enumerate() {
                    let point = u * POINTS + v;
                    let packed = packed[point * of_point + row..].iter_mut();
                    for (k, place) in packed.step_by(T::DEPTH).take(LANES).enumerate() {
                        let sum = down[0] * left[k] + down[1] * middle[k] + down[2] * right[k];
                        *place = T::from_f32(sum as f32);
                    }
                }
            }
        }
    });
}

/// What a weight is packed for.
#[derive(Clone, Copy)]
pub(super) struct PackedSizes {
    outputs: usize,
    channels: usize,
    /// As [`Conv2d::backward`].
    backward: bool,
}

/// The sizes of a weight that is packed for this kernel.
pub(super) fn packed_for<T: Number>(packing: &Packing) -> Option<PackedSizes> {
    let Shape { n, c, .. } = packing.plain;
    let (backward, padding) = (packing.turned, Padding::Zero);
    let [outputs, channels] = if backward { [c, n] } else { [n, c] };
    let op = Conv2d {
        backward,
        ..Conv2d::new(3, padding)
    };
    (*packing == packings::<T>(&op, channels, outputs)[0]).then_some(PackedSizes {
        outputs,
        channels,
        backward,
    })
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

/// Bᵀ d: 6 pixels along an axis to the 6 points.
#[inline(always)]
fn to_points<S: Simd>(simd: S, d: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let constant = |v: f32| simd.splat_f32s(v);
    // (x² - a²)(x² - b²) = x⁴ - (a² + b²) x² + a² b², the last of which is 1.
    const { assert!(A2 * B2 == 1.0) };
    let sum = constant(-(A2 + B2));
    let pair = |point: f32, other: f32| {
        let even = fma(constant(-other), d[2], d[4]);
        let odd = fma(constant(-other), d[1], d[3]);
        [
            fma(constant(point), odd, even),
            fma(constant(-point), odd, even),
        ]
    };
    let ([p1, p2], [p3, p4]) = (pair(A, B2), pair(B, A2));
    let zero = fma(sum, d[2], simd.add_f32s(d[0], d[4]));
    let infinity = fma(sum, d[3], simd.add_f32s(d[1], d[5]));
    [zero, p1, p2, p3, p4, infinity]
}

/// Aᵀ m: the products at the 6 points to the 4 results along an axis.
#[inline(always)]
fn to_results<S: Simd>(simd: S, m: [S::f32s; POINTS]) -> [S::f32s; OUTPUTS] {
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let constant = |v: f32| simd.splat_f32s(v);
    let (even_a, odd_a) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (even_b, odd_b) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(even_a, even_b)),
        fma(constant(A), odd_a, simd.mul_f32s(constant(B), odd_b)),
        fma(constant(A2), even_a, simd.mul_f32s(constant(B2), even_b)),
        fma(
            constant(A * A2),
            odd_a,
            fma(constant(B * B2), odd_b, m[POINTS - 1]),
        ),
    ]
}

impl<T: Factor> Convolution<T> {
    /// Transforms the pixels that a run of tiles sees.
    #[inline(always)]
    fn transform<S: Simd>(&self, simd: S, run: &Run, zeros: &[T], points: &mut [T]) {
        let Shape { c, h, w, .. } = self.x.shape;
        let (padded, pitch) = (c.next_multiple_of(LANES), self.blocks.x_pitch());
        let columns = run.len * OUTPUTS + 2;
        let pad = self.padding.pixels() as isize;
        let at = |first: usize, i: usize, size: usize| {
            source((first + i) as isize - pad, size, self.padding)
        };
        let mut pixels = [[zeros; RUN_COLUMNS]; POINTS];
        for (i, row) in pixels.iter_mut().enumerate() {
            let Some(y) = at(run.top, i, h) else {
                continue;
            };
            for (j, pixel) in row[..columns].iter_mut().enumerate() {
                if let Some(x) = at(run.left, j, w) {
                    // SAFETY: the program lets nothing write x meanwhile.
                    *pixel = unsafe { self.x.pixel((run.n * h + y) * w + x) };
                }
            }
        }
        let mut along_columns = [[simd.splat_f32s(0.0); RUN_COLUMNS]; POINTS];
        for first in (0..padded).step_by(S::F32_LANES) {
            let end = (first + S::F32_LANES).min(c);
            for j in 0..columns {
                let mut d = [simd.splat_f32s(0.0); POINTS];
                for i in 0..POINTS {
                    if first < end {
                        d[i] = T::load(simd, &pixels[i][j][first..end]);
                    }
                }
                let transformed = to_points(simd, d);
                for i in 0..POINTS {
                    along_columns[i][j] = transformed[i];
                }
            }
            for (tile, points) in points.chunks_mut(pitch).take(run.len).enumerate() {
                for (i, row) in along_columns.iter().enumerate() {
                    let row = &row[tile * OUTPUTS..][..POINTS];
                    let mut d = [simd.splat_f32s(0.0); POINTS];
                    d.copy_from_slice(row);
                    let transformed = to_points(simd, d);
                    for (j, value) in transformed.into_iter().enumerate() {
                        let at = (i * POINTS + j) * padded + first;
                        T::store(simd, &mut points[at..][..S::F32_LANES], value);
                    }
                }
            }
        }
    }

    /// Results of a run of tiles, finished and stored.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        simd: S,
        terms: &Terms,
        run: &Run,
        products: &[f32],
        results: &mut [f32],
    ) {
        let Shape { c, h, w, .. } = self.epilogue.y.shape;
        let (padded, pitch) = (c.next_multiple_of(LANES), self.blocks.product_pitch());
        let row_len = RUN * OUTPUTS * c;
        for (tile, products) in products.chunks(pitch).take(run.len).enumerate() {
            for first in (0..c).step_by(S::F32_LANES) {
                let end = (first + S::F32_LANES).min(c);
                let mut along_rows = [[simd.splat_f32s(0.0); POINTS]; OUTPUTS];
                for i in 0..POINTS {
                    let mut m = [simd.splat_f32s(0.0); POINTS];
                    for j in 0..POINTS {
                        let at = (i * POINTS + j) * padded + first;
                        m[j] = load_lanes(simd, &products[at..][..S::F32_LANES]);
                    }
                    let row = to_results(simd, m);
                    for j in 0..OUTPUTS {
                        along_rows[j][i] = row[j];
                    }
                }
                for j in 0..OUTPUTS {
                    let column = to_results(simd, along_rows[j]);
                    for i in 0..OUTPUTS {
                        let at = i * row_len + (tile * OUTPUTS + j) * c;
                        store_lanes(simd, &mut results[at + first..at + end], column[i]);
                    }
                }
            }
        }
        let columns = (run.len * OUTPUTS).min(w - run.left);
        let rows = results.chunks_exact(row_len);
        for (i, results) in rows.take(OUTPUTS.min(h - run.top)).enumerate() {
            let first = (run.n * h + run.top + i) * w + run.left;
            // SAFETY: no two tiles share a pixel, and the program lets no
            // operand of a node share elements with its result.
            unsafe {
                let sums = (&results[..columns * c], c);
                self.epilogue
                    .store(Fma::of::<S>(), terms, sums, run.n, first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn weights_are_packed_as_their_packing_says() {
        fn check<T: Number + std::fmt::Debug + PartialEq>(
            op: &Conv2d,
            [outputs, channels]: [usize; 2],
        ) {
            let [packing, _] = packings::<T>(op, channels, outputs);
            let sizes = packed_for::<T>(&packing).expect("a weight of this kernel");
            let element = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
            let plain: Vec<f32> = (0..packing.plain.elements()).map(element).collect();
            let mut expected = vec![T::from_f32(f32::NAN); packing.elements()];
            let mut packed = expected.clone();
            packing.apply_as(&plain, &mut expected, T::from_f32);
            pack(sizes, &plain, &mut packed);
            assert_eq!(packed, expected, "{outputs} x {channels}");
        }
        for sizes in [[16, 16], [17, 3], [1, 5], [40, 33]] {
            for op in [Conv2d::new, Conv2d::backward] {
                let op = op(3, Padding::Zero);
                check::<f32>(&op, sizes);
                check::<bf16>(&op, sizes);
            }
        }
    }
}
