//! Sums of outer products: matrix products whose depth is the pixels, as
//! gradients of weights are.
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

#[cfg(target_arch = "x86_64")]
use super::number::has_bf16;
use super::number::{LANES, Number};
use bytemuck::{Pod, Zeroable};
use half::bf16;
use pulp::Simd;

/// Pixels whose outputs stay in a first-level cache while all rows are multiplied
/// with them.
const CHUNK: usize = 192;

/// `sums[m, o] += sum over p of x[p * x_pitch + m] * d[p, o]`.
///
/// The rows of x may overlap: a row of a 3x3 kernel over channels-last pixels is
/// `3 * channels` elements that lie side by side.
#[derive(Clone, Copy)]
pub(super) struct OuterProduct {
    pub pixels: usize,
    /// m.
    pub rows: usize,
    pub x_pitch: usize,
    /// o, a multiple of [`LANES`]; also the distance of pixels in d.
    pub outputs: usize,
    pub sums_pitch: usize,
}

/// What is multiplied: a pixel of f32, or two pixels of bf16, which one
/// instruction multiplies and adds up. There, a pixel of x and d stands for two.
pub(super) trait Outer: Pod {
    /// R rows by N vectors of outputs.
    ///
    /// # Safety
    /// All pixels, rows and outputs are there.
    unsafe fn block<S: Simd, const R: usize, const N: usize>(
        simd: S,
        product: &OuterProduct,
        operands: (*const Self, *const Self),
        sums: *mut f32,
    );
}

impl OuterProduct {
    /// `starts` are where x starts for each of several products, with their sums
    /// one after the other, `rows * sums_pitch` apart.
    ///
    /// # Panics
    /// When x, d or sums are too short, or outputs not padded.
    #[inline(always)]
    pub fn run<S: Simd, T: Outer>(
        &self,
        simd: S,
        x: &[T],
        starts: &[usize],
        d: &[T],
        sums: &mut [f32],
    ) {
        let Self {
            pixels,
            rows,
            x_pitch,
            outputs,
            sums_pitch,
        } = *self;
        if pixels == 0 || rows == 0 || starts.is_empty() {
            return;
        }
        let farthest = starts.iter().max().copied().unwrap_or(0);
        assert!(
            x.len() >= farthest + (pixels - 1) * x_pitch + rows,
            "outer product: x"
        );
        assert!(d.len() >= pixels * outputs, "outer product: d");
        let last = (starts.len() * rows - 1) * sums_pitch + outputs;
        assert!(sums.len() >= last, "outer product: sums");
        assert!(outputs.is_multiple_of(LANES), "outer product: padding");
        for first in (0..pixels).step_by(CHUNK) {
            let chunk = Self {
                pixels: CHUNK.min(pixels - first),
                ..*self
            };
            for (at, start) in starts.iter().enumerate() {
                let x = &x[start + first * x_pitch..];
                let sums = &mut sums[at * rows * sums_pitch..];
                // SAFETY: as just checked.
                unsafe { chunk.multiply(simd, x, &d[first * outputs..], sums) };
            }
        }
    }

    /// # Safety
    /// All pixels, rows and outputs are there.
    #[inline(always)]
    unsafe fn multiply<S: Simd, T: Outer>(&self, simd: S, x: &[T], d: &[T], sums: &mut [f32]) {
        let vectors = self.outputs / S::F32_LANES;
        // Registers hold the sums, the vectors of d and an element of x.
        let wide = S::REGISTER_COUNT >= 32;
        for vector in (0..vectors).step_by(2) {
            let offset = vector * S::F32_LANES;
            let pair = vectors - vector > 1;
            let mut row = 0;
            while row < self.rows {
                let at = (x[row..].as_ptr(), d[offset..].as_ptr());
                let sums = sums[row * self.sums_pitch + offset..].as_mut_ptr();
                let left = self.rows - row;
                macro_rules! blocks {
                    ($($rows:literal x $vectors:literal if $fits:expr,)*) => {
                        $(if $fits && left >= $rows && pair == ($vectors == 2) {
                            // SAFETY: the caller's promise, passed on.
                            unsafe { T::block::<S, $rows, $vectors>(simd, self, at, sums) };
                            row += $rows;
                            continue;
                        })*
                    };
                }
                blocks! {
                    12 x 2 if wide,
                    6 x 2 if true,
                    3 x 2 if true,
                    1 x 2 if true,
                    24 x 1 if wide,
                    12 x 1 if true,
                    4 x 1 if true,
                    1 x 1 if true,
                }
            }
        }
    }
}

impl Outer for f32 {
    #[inline(always)]
    unsafe fn block<S: Simd, const R: usize, const N: usize>(
        simd: S,
        product: &OuterProduct,
        (x, d): (*const f32, *const f32),
        sums: *mut f32,
    ) {
        // SAFETY: the caller's promise. Any bits are numbers.
        unsafe {
            let vector = |from: *const f32, j: usize| -> S::f32s {
                from.add(j * S::F32_LANES)
                    .cast::<S::f32s>()
                    .read_unaligned()
            };
            let mut acc = [[simd.splat_f32s(0.0); N]; R];
            for p in 0..product.pixels {
                let (x, d) = (x.add(p * product.x_pitch), d.add(p * product.outputs));
                let mut of_pixel = [simd.splat_f32s(0.0); N];
                for j in 0..N {
                    of_pixel[j] = vector(d, j);
                }
                for r in 0..R {
                    let x = simd.splat_f32s(*x.add(r));
                    for j in 0..N {
                        acc[r][j] = simd.mul_add_e_f32s(x, of_pixel[j], acc[r][j]);
                    }
                }
            }
            for r in 0..R {
                let sums = sums.add(r * product.sums_pitch);
                for j in 0..N {
                    let sum = simd.add_f32s(vector(sums, j), acc[r][j]);
                    let place = sums.add(j * S::F32_LANES).cast::<S::f32s>();
                    place.write_unaligned(sum);
                }
            }
        }
    }
}

/// The same element of two pixels, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(4))]
pub(super) struct Pair(pub [bf16; 2]);

impl Outer for Pair {
    #[inline(always)]
    unsafe fn block<S: Simd, const R: usize, const N: usize>(
        _: S,
        product: &OuterProduct,
        operands: (*const Pair, *const Pair),
        sums: *mut f32,
    ) {
        // SAFETY: the caller's promise; the instructions are there.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if S::F32_LANES == LANES && has_bf16() {
                return dot_block::<R, N>(product, operands, sums);
            }
            plain_block(product, operands, sums, [R, N * S::F32_LANES]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn dot_block<const R: usize, const N: usize>(
    product: &OuterProduct,
    (x, d): (*const Pair, *const Pair),
    sums: *mut f32,
) {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };
    // SAFETY: the caller's promise; vectors of integers and of bf16 are bits.
    unsafe {
        let pairs = |v: __m512i| std::mem::transmute::<__m512i, __m512bh>(v);
        let mut acc = [[_mm512_setzero_ps(); N]; R];
        for p in 0..product.pixels {
            let (x, d) = (x.add(p * product.x_pitch), d.add(p * product.outputs));
            let mut of_pixel = [pairs(_mm512_set1_epi32(0)); N];
            for j in 0..N {
                of_pixel[j] = pairs(d.add(j * LANES).cast::<__m512i>().read_unaligned());
            }
            for r in 0..R {
                let x = pairs(_mm512_set1_epi32(x.add(r).cast::<i32>().read()));
                for j in 0..N {
                    acc[r][j] = _mm512_dpbf16_ps(acc[r][j], x, of_pixel[j]);
                }
            }
        }
        for r in 0..R {
            for j in 0..N {
                let place = sums.add(r * product.sums_pitch + j * LANES);
                _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), acc[r][j]));
            }
        }
    }
}

/// The same without the instruction.
unsafe fn plain_block(
    product: &OuterProduct,
    (x, d): (*const Pair, *const Pair),
    sums: *mut f32,
    [rows, outputs]: [usize; 2],
) {
    for p in 0..product.pixels {
        for r in 0..rows {
            // SAFETY: the caller's promise.
            let Pair([x0, x1]) = unsafe { *x.add(p * product.x_pitch + r) };
            for o in 0..outputs {
                // SAFETY: as above.
                unsafe {
                    let Pair([d0, d1]) = *d.add(p * product.outputs + o);
                    *sums.add(r * product.sums_pitch + o) += Number::to_f32(x0)
                        * Number::to_f32(d0)
                        + Number::to_f32(x1) * Number::to_f32(d1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::WithSimd;

    /// Products of many sizes against f64, by a number in each place of an element.
    struct Sizes<T>(fn(usize) -> T, fn(T) -> [f32; 2]);

    impl<T: Outer> WithSimd for Sizes<T> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for pixels in [1, 2, CHUNK - 1, CHUNK, CHUNK + 3] {
                for rows in [1, 2, 9, 30, 96] {
                    for outputs in [16, 32, 48] {
                        self.check(simd, [pixels, rows, outputs], &[0, 7]);
                    }
                }
            }
        }
    }

    impl<T: Outer> Sizes<T> {
        fn check<S: Simd>(&self, simd: S, sizes: [usize; 3], starts: &[usize]) {
            let [pixels, rows, outputs] = sizes;
            let (x_pitch, sums_pitch) = (rows.div_ceil(3), outputs + 5);
            let x: Vec<T> = (0..7 + pixels * x_pitch + rows).map(self.0).collect();
            let d: Vec<T> = (0..pixels * outputs).map(|i| self.0(3 * i + 1)).collect();
            let mut sums = vec![0.5; starts.len() * rows * sums_pitch];
            let product = OuterProduct {
                pixels,
                rows,
                x_pitch,
                outputs,
                sums_pitch,
            };
            product.run(simd, &x, starts, &d, &mut sums);
            for (at, start) in starts.iter().enumerate() {
                for m in 0..rows {
                    for o in 0..sums_pitch {
                        let mut want = 0.5;
                        for p in 0..if o < outputs { pixels } else { 0 } {
                            let x = (self.1)(x[start + p * x_pitch + m]);
                            let d = (self.1)(d[p * outputs + o]);
                            let both = x.iter().zip(d);
                            want += both.map(|(x, d)| f64::from(*x) * f64::from(d)).sum::<f64>();
                        }
                        let found = sums[(at * rows + m) * sums_pitch + o];
                        let error = (f64::from(found) - want).abs();
                        assert!(error <= 1e-6 * pixels as f64 + 1e-6, "{sizes:?}: {error}");
                    }
                }
            }
        }
    }

    fn number(i: usize) -> f32 {
        (i * 7919 % 1009) as f32 / 1009.0 - 0.5
    }

    /// On every set of vector instructions that this machine has.
    fn on_all<T: Outer>(element: fn(usize) -> T, numbers: fn(T) -> [f32; 2]) {
        let sizes = || Sizes(element, numbers);
        Simd::vectorize(pulp::Scalar::new(), sizes());
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(v3) = pulp::x86::V3::try_new() {
                Simd::vectorize(v3, sizes());
            }
            if let Some(v4) = pulp::x86::V4::try_new() {
                Simd::vectorize(v4, sizes());
            }
        }
        pulp::Arch::new().dispatch(sizes());
    }

    #[test]
    fn outer_products_of_all_sizes_are_right() {
        on_all::<f32>(number, |v| [v, 0.0]);
        let pair = |i| Pair([i, i + 500].map(|i| <bf16 as Number>::from_f32(number(i))));
        on_all::<Pair>(pair, |Pair(pair)| pair.map(Number::to_f32));
    }
}
