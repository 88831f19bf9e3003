//! The number types that feature maps and weights are stored in.

use super::simd::{load_lanes, store_lanes};
use crate::plan::Precision;
use bytemuck::Pod;
use half::bf16;
use pulp::Simd;

/// Lanes of the widest vector. Packed weights come in blocks of as many
/// outputs.
pub(super) const LANES: usize = 16;

/// A number as it is stored. Arithmetic is in f32, but for products of bf16,
/// which instructions of their own multiply and add up in f32.
pub(super) trait Number: Pod + Send + Sync + Sized {
    const PRECISION: Precision;
    /// Elements along the depth of a product that one instruction takes, which
    /// lie side by side in packed weights.
    const DEPTH: usize;

    fn to_f32(self) -> f32;

    fn from_f32(v: f32) -> Self;

    /// Up to [`Simd::F32_LANES`] elements, then zeros.
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::f32s;

    /// The first lanes, as many as there is room for.
    fn store<S: Simd>(simd: S, into: &mut [Self], lanes: S::f32s);
}

/// An expression with T for the number type of a precision.
macro_rules! with_number {
    ($precision:expr, $T:ident => $made:expr) => {
        match $precision {
            $crate::plan::Precision::Bf16 => {
                type $T = half::bf16;
                $made
            }
            _ => {
                type $T = f32;
                $made
            }
        }
    };
}
pub(super) use with_number;

/// The same with X and Y for those of two.
macro_rules! with_numbers {
    ($precisions:expr, $X:ident, $Y:ident => $made:expr) => {{
        let [x, y] = $precisions;
        $crate::exec::cpu::number::with_number!(
            x, $X => $crate::exec::cpu::number::with_number!(y, $Y => $made)
        )
    }};
}
pub(super) use with_numbers;

impl Number for f32 {
    const PRECISION: Precision = Precision::F32;
    const DEPTH: usize = 1;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(v: f32) -> Self {
        v
    }

    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::f32s {
        load_lanes(simd, from)
    }

    #[inline(always)]
    fn store<S: Simd>(simd: S, into: &mut [Self], lanes: S::f32s) {
        store_lanes(simd, into, lanes);
    }
}

// Written without the branches of `half`, so that loops become vectors.
impl Number for bf16 {
    const PRECISION: Precision = Precision::Bf16;
    const DEPTH: usize = 2;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// Rounds to nearest, ties to even.
    #[inline(always)]
    fn from_f32(v: f32) -> Self {
        let bits = v.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        // NaN stays one, quiet.
        let bits = if v.is_nan() {
            bits | 0x0040_0000
        } else {
            rounded
        };
        Self::from_bits((bits >> 16) as u16)
    }

    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::f32s {
        #[cfg(target_arch = "x86_64")]
        if S::F32_LANES == LANES
            && let Some(from) = from.first_chunk()
        {
            // SAFETY: 16 lanes are those of AVX-512, which is there, and both
            // types are its vectors.
            return unsafe { std::mem::transmute_copy(&avx512::widen(from)) };
        }
        let mut lanes = [0.0; LANES];
        for (lane, v) in lanes[..S::F32_LANES].iter_mut().zip(from) {
            *lane = v.to_f32();
        }
        load_lanes(simd, &lanes[..S::F32_LANES])
    }

    #[inline(always)]
    fn store<S: Simd>(simd: S, into: &mut [Self], lanes: S::f32s) {
        #[cfg(target_arch = "x86_64")]
        if S::F32_LANES == LANES
            && let Some(into) = into.first_chunk_mut()
        {
            // SAFETY: as above.
            return unsafe { avx512::narrow(std::mem::transmute_copy(&lanes), into) };
        }
        let mut stored = [0.0; LANES];
        store_lanes(simd, &mut stored[..S::F32_LANES], lanes);
        for (place, v) in into.iter_mut().zip(&stored[..S::F32_LANES]) {
            *place = Self::from_f32(*v);
        }
    }
}

/// What compilers do not make of loops over lanes.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::LANES;
    use half::bf16;
    use std::arch::x86_64::*;

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn widen(from: &[bf16; LANES]) -> __m512 {
        // SAFETY: 16 elements of 16 bits.
        let bits = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }

    /// As [`Number::from_f32`](super::Number::from_f32).
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn narrow(lanes: __m512, into: &mut [bf16; LANES]) {
        let bits = _mm512_castps_si512(lanes);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
        let rounded = _mm512_add_epi32(bits, half);
        let quiet = _mm512_set1_epi32(0x0040_0000);
        let is_nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes, lanes);
        let bits = _mm512_mask_or_epi32(rounded, is_nan, bits, quiet);
        let narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(bits));
        // SAFETY: 16 elements of 16 bits.
        unsafe { _mm256_storeu_si256(into.as_mut_ptr().cast(), narrow) };
    }
}

/// Whether this machine multiplies bf16 itself (AVX-512 BF16).
pub fn has_bf16() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return super::simd::has_16_lanes() && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    return false;
}

/// Elements of f32 whose memory `count` numbers take.
pub(super) fn words<T: Number>(count: usize) -> usize {
    (count * size_of::<T>()).div_ceil(size_of::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_as_half_does() {
        for high in 0..=u16::MAX {
            for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let v = f32::from_bits(u32::from(high) << 16 | low);
                let (got, want) = (<bf16 as Number>::from_f32(v), bf16::from_f32(v));
                assert_eq!(got.to_bits(), want.to_bits(), "{v:e} ({:#x})", v.to_bits());
            }
            let v = bf16::from_bits(high);
            let (got, want) = (Number::to_f32(v), v.to_f32());
            assert!(got == want || got.is_nan() && want.is_nan(), "{high:#x}");
        }
    }
}
