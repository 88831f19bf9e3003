//! Matrix products of convolutions: many pixels by packed weights.
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

#[cfg(target_arch = "x86_64")]
use super::number::has_bf16;
use super::number::{LANES, Number};
use super::simd::apart;
use crate::graph::Shape;
use crate::ops::{Axis, Coordinate, Packing};
use half::bf16;
use pulp::{Simd, WithSimd};

/// Pixels that one pass over the weights takes at most.
const MAX_GROUP: usize = 10;

/// `y[p, o] = sum over v, k of x[starts[v] + p * x_pitch + k] * weights[v, k, o]`.
///
/// The views v see one array from other starts, and the pixels of a view may
/// overlap: a row of a 3x3 kernel sees three pixels of a channels-last image,
/// which lie side by side.
///
/// Weights are `[v][blocks of LANES o][k / DEPTH][LANES][DEPTH]`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub pixels: usize,
    /// Elements of a pixel in a view, a multiple of [`Number::DEPTH`].
    pub depth: usize,
    /// A multiple of [`LANES`].
    pub outputs: usize,
    pub starts: &'a [usize],
    /// Distances of pixels in x and y.
    pub pitches: [usize; 2],
    /// Whether weights come from main memory, so that asking for them early pays.
    pub fetches: bool,
}

/// The packing of a weight whose outputs and channels are counted by these
/// coordinates. `views` are its outer axes; in `columns`, axes of a pixel's depth,
/// its channels follow one another.
pub(super) fn packing<T: Number>(
    plain: Shape,
    views: &[Axis],
    columns: &[Axis],
    [(outputs, output), (channels, channel)]: [(usize, Coordinate); 2],
) -> Packing {
    let blocks = Axis::new(outputs.div_ceil(LANES), output, LANES);
    let inner = [
        Axis::new(channels.div_ceil(T::DEPTH), channel, T::DEPTH),
        Axis::new(LANES, output, 1),
        Axis::new(T::DEPTH, channel, 1),
    ];
    Packing {
        plain,
        winograd: None,
        turned: false,
        axes: [views, &[blocks], columns, &inner].concat(),
        channels: None,
        precision: T::PRECISION,
    }
}

impl Product<'_> {
    /// # Panics
    /// When x, the weights or y are too short, or sizes are not padded.
    #[inline(always)]
    pub fn run<S: Simd, T: Factor>(&self, simd: S, x: &[T], weights: &[T], y: &mut [f32]) {
        let [x_pitch, y_pitch] = self.pitches;
        let last = self.pixels - 1;
        let farthest = self.starts.iter().max().copied().unwrap_or(0);
        let x_len = farthest + last * x_pitch + self.depth;
        assert!(x.len() >= x_len, "product: x");
        assert!(y.len() >= last * y_pitch + self.outputs, "product: y");
        let weights_len = self.starts.len() * self.depth * self.outputs;
        assert!(weights.len() >= weights_len, "product: weights");
        assert!(
            self.depth.is_multiple_of(T::DEPTH) && self.outputs.is_multiple_of(LANES),
            "product: padding"
        );
        let vectors = self.outputs / T::outputs::<S>();
        // Vector registers hold the sums of some pixels by two vectors, these
        // two of the weights, and an element of x; other registers the
        // addresses of the pixels.
        let most = match S::REGISTER_COUNT >= 32 {
            true => MAX_GROUP,
            false => 6,
        };
        for vector in (0..vectors).step_by(2) {
            let at = (x, weights, &mut *y, vector);
            match vectors - vector {
                1 => self.columns::<S, T, 1>(simd, at, MAX_GROUP),
                _ => self.columns::<S, T, 2>(simd, at, most),
            }
        }
    }

    /// How many elements ahead weights are fetched while N vectors of them are used:
    /// the next N, or none. An address that is at hand costs nothing.
    #[inline(always)]
    fn ahead(&self, n: usize) -> usize {
        match self.fetches {
            true => n * self.depth * LANES,
            false => 0,
        }
    }

    /// All pixels of N vectors of outputs, in groups of about `most` pixels.
    #[inline(always)]
    fn columns<S: Simd, T: Factor, const N: usize>(
        &self,
        simd: S,
        (x, weights, y, vector): (&[T], &[T], &mut [f32], usize),
        most: usize,
    ) {
        let [x_pitch, y_pitch] = self.pitches;
        let width = T::outputs::<S>();
        let of_block = LANES / width;
        // SAFETY: `run` has checked that all pixels, views and outputs are there.
        unsafe {
            let mut blocks = [weights.as_ptr(); N];
            for (j, start) in blocks.iter_mut().enumerate() {
                let (block, part) = ((vector + j) / of_block, (vector + j) % of_block);
                *start = start.add(block * self.depth * LANES + part * width * T::DEPTH);
            }
            let groups = self.pixels.div_ceil(most);
            for group in 0..groups {
                let first = group * self.pixels / groups;
                let count = (group + 1) * self.pixels / groups - first;
                let x = x.as_ptr().add(first * x_pitch);
                let y = y.as_mut_ptr().add(first * y_pitch + vector * width);
                // At the addresses lies what `Factor::tile` asks for.
                macro_rules! by_count {
                    ($($m:literal)*) => {
                        match count {
                            $($m => apart(simd, Tile::<T, $m, N> {
                                product: self,
                                x,
                                weights: blocks,
                                y,
                            }),)*
                            _ => unreachable!("a group of {count} pixels"),
                        }
                    };
                }
                by_count!(1 2 3 4 5 6 7 8 9 10);
            }
        }
    }
}

/// M pixels by N vectors of outputs, where all that [`Factor::tile`] asks for lies at
/// the addresses.
struct Tile<'a, T, const M: usize, const N: usize> {
    product: &'a Product<'a>,
    x: *const T,
    weights: [*const T; N],
    y: *mut f32,
}

impl<T: Factor, const M: usize, const N: usize> WithSimd for Tile<'_, T, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: as the type says.
        unsafe { T::tile::<S, M, N>(simd, self.product, self.x, self.weights, self.y) }
    }
}

/// Numbers that products multiply.
pub(super) trait Factor: Number {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Products of one kind of numbers of many sizes, against f64.
    struct Sizes<T>(std::marker::PhantomData<T>);

    impl<T: Factor> WithSimd for Sizes<T> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            for pixels in (1..=23).chain([40]) {
                for (depth, outputs) in [(2, 16), (6, 48), (34, 32), (96, 16)] {
                    for starts in [&[0][..], &[3, 50, 0]] {
                        check::<S, T>(simd, pixels, depth, outputs, starts);
                    }
                }
            }
        }
    }

    fn check<S: Simd, T: Factor>(
        simd: S,
        pixels: usize,
        depth: usize,
        outputs: usize,
        starts: &[usize],
    ) {
        let number = |i: usize| T::from_f32((i * 7919 % 1009) as f32 / 1009.0 - 0.5);
        let pitches = [depth.div_ceil(3), outputs + 5];
        let x: Vec<T> = (0..60 + pixels * pitches[0] + depth).map(number).collect();
        let weights: Vec<T> = (0..starts.len() * depth * outputs).map(number).collect();
        let mut y = vec![f32::NAN; pixels * pitches[1]];
        let product = Product {
            pixels,
            depth,
            outputs,
            starts,
            pitches,
            fetches: true,
        };
        product.run(simd, &x, &weights, &mut y);
        let scale = starts.len() as f64 * depth as f64 / 4.0;
        for (p, y) in y.chunks_exact(pitches[1]).enumerate() {
            for (o, &y) in y.iter().enumerate() {
                if o >= outputs {
                    assert!(y.is_nan(), "writes beyond its outputs");
                    continue;
                }
                let mut want = 0.0;
                for (v, start) in starts.iter().enumerate() {
                    for k in 0..depth {
                        let row = (v * outputs + o / LANES * LANES) * depth;
                        let pair = k / T::DEPTH * T::DEPTH * LANES;
                        let w = row + pair + o % LANES * T::DEPTH + k % T::DEPTH;
                        let (x, w) = (x[start + p * pitches[0] + k], weights[w]);
                        want += f64::from(x.to_f32()) * f64::from(w.to_f32());
                    }
                }
                let error = (f64::from(y) - want).abs();
                assert!(
                    error <= 1e-6 * scale,
                    "{pixels} x {outputs} of {depth}: {error}"
                );
            }
        }
    }

    /// On every set of vector instructions that this machine has.
    fn on_all<T: Factor>() {
        let sizes = || Sizes::<T>(std::marker::PhantomData);
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
    fn products_of_all_sizes_are_right() {
        on_all::<f32>();
        on_all::<bf16>();
    }
}
