//! Pixels to points, and products to results.
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

use super::super::epilogue::Terms;
use super::super::number::LANES;
use super::super::product::Factor;
use super::super::simd::{Fma, load_lanes, store_lanes};
use super::super::tiles::source;
use super::{Convolution, RUN, RUN_COLUMNS, Run};
use crate::graph::Shape;
use crate::ops::winograd::{A, A2, B, B2, OUTPUTS, POINTS};
use pulp::Simd;

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
    pub(super) fn transform<S: Simd>(&self, simd: S, run: &Run, zeros: &[T], points: &mut [T]) {
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
    pub(super) fn finish<S: Simd>(
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
