//! The innermost loops of products, for each kind of numbers.
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

#[cfg(target_arch = "x86_64")]
use super::super::number::has_bf16;
use super::super::number::{LANES, Number};
use super::Product;
use half::bf16;
use pulp::Simd;

/// Numbers that products multiply.
pub trait Factor: Number {
    /// Outputs that a vector of sums holds.
    fn outputs<S: Simd>() -> usize;

    /// M pixels by N vectors of outputs.
    ///
    /// # Safety
    /// At the addresses lie M pixels of all views of x, the weights of the first
    /// view for these outputs, those of the others `depth * outputs` on, and M
    /// pixels of y.
    unsafe fn tile<S: Simd, const M: usize, const N: usize>(
        simd: S,
        product: &Product,
        x: *const Self,
        weights: [*const Self; N],
        y: *mut f32,
    );
}

/// Asks for the cache line of an address, which need not be there.
#[inline(always)]
fn prefetch<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: it reads nothing, and all of these machines have it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

impl Factor for f32 {
    #[inline(always)]
    fn outputs<S: Simd>() -> usize {
        S::F32_LANES
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const N: usize>(
        simd: S,
        product: &Product,
        x: *const Self,
        weights: [*const Self; N],
        y: *mut f32,
    ) {
        let [x_pitch, y_pitch] = product.pitches;
        let ahead = product.ahead(N);
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        // SAFETY: the caller's promise.
        unsafe {
            for (view, start) in product.starts.iter().enumerate() {
                let x = x.add(*start);
                let of_view = view * product.depth * product.outputs;
                for k in 0..product.depth {
                    let mut w = [simd.splat_f32s(0.0); N];
                    for j in 0..N {
                        let from = weights[j].add(of_view + k * LANES);
                        w[j] = from.cast::<S::f32s>().read_unaligned();
                        // Vectors of one block share a line of the cache.
                        if (j * S::F32_LANES).is_multiple_of(LANES) {
                            prefetch(from.wrapping_add(ahead));
                        }
                    }
                    for i in 0..M {
                        let x = simd.splat_f32s(*x.add(i * x_pitch + k));
                        for j in 0..N {
                            sums[i][j] = simd.mul_add_e_f32s(x, w[j], sums[i][j]);
                        }
                    }
                }
            }
            for i in 0..M {
                for j in 0..N {
                    let y = y.add(i * y_pitch + j * S::F32_LANES);
                    y.cast::<S::f32s>().write_unaligned(sums[i][j]);
                }
            }
        }
    }
}

impl Factor for bf16 {
    #[inline(always)]
    fn outputs<S: Simd>() -> usize {
        LANES
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const N: usize>(
        _: S,
        product: &Product,
        x: *const Self,
        weights: [*const Self; N],
        y: *mut f32,
    ) {
        // SAFETY: the caller's promise; the instructions are there.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if S::F32_LANES == LANES && has_bf16() {
                return dot_tile::<M, N>(product, x, weights, y);
            }
            plain_tile::<M, N>(product, x, weights, y);
        }
    }
}

/// By the instruction for it, which multiplies pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn dot_tile<const M: usize, const N: usize>(
    product: &Product,
    x: *const bf16,
    weights: [*const bf16; N],
    y: *mut f32,
) {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    let [x_pitch, y_pitch] = product.pitches;
    let ahead = product.ahead(N);
    let mut sums = [[_mm512_setzero_ps(); N]; M];
    // SAFETY: the caller's promise; vectors of integers and of bf16 are bits.
    unsafe {
        let pairs = |v: __m512i| std::mem::transmute::<__m512i, __m512bh>(v);
        for (view, start) in product.starts.iter().enumerate() {
            let x = x.add(*start);
            let of_view = view * product.depth * product.outputs;
            for k in (0..product.depth).step_by(2) {
                let mut w = [pairs(_mm512_set1_epi32(0)); N];
                for j in 0..N {
                    let from = weights[j].add(of_view + k * LANES);
                    w[j] = pairs(from.cast::<__m512i>().read_unaligned());
                    prefetch(from.wrapping_add(ahead));
                }
                for i in 0..M {
                    let x = x.add(i * x_pitch + k).cast::<i32>().read_unaligned();
                    let x = pairs(_mm512_set1_epi32(x));
                    for j in 0..N {
                        sums[i][j] = _mm512_dpbf16_ps(sums[i][j], x, w[j]);
                    }
                }
            }
        }
        for i in 0..M {
            for j in 0..N {
                _mm512_storeu_ps(y.add(i * y_pitch + j * LANES), sums[i][j]);
            }
        }
    }
}

/// The same without the instruction: slower than f32.
unsafe fn plain_tile<const M: usize, const N: usize>(
    product: &Product,
    x: *const bf16,
    weights: [*const bf16; N],
    y: *mut f32,
) {
    let [x_pitch, y_pitch] = product.pitches;
    let mut sums = [[[0.0f32; LANES]; N]; M];
    // SAFETY: the caller's promise.
    unsafe {
        for (view, start) in product.starts.iter().enumerate() {
            let x = x.add(*start);
            let of_view = view * product.depth * product.outputs;
            for k in 0..product.depth {
                for j in 0..N {
                    let w = weights[j].add(of_view + k / 2 * 2 * LANES + k % 2);
                    for i in 0..M {
                        let x = Number::to_f32(*x.add(i * x_pitch + k));
                        for (lane, sum) in sums[i][j].iter_mut().enumerate() {
                            *sum += x * Number::to_f32(*w.add(2 * lane));
                        }
                    }
                }
            }
        }
        for i in 0..M {
            for j in 0..N {
                let y = y.add(i * y_pitch + j * LANES).cast::<[f32; LANES]>();
                y.write_unaligned(sums[i][j]);
            }
        }
    }
}
