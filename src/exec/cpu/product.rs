//! Matrix products of convolutions: many pixels by packed weights.

mod factor;
#[cfg(test)]
mod tests;

pub(super) use factor::Factor;

use super::number::{LANES, Number};
use super::simd::apart;
use crate::graph::Shape;
use crate::ops::{Axis, Coordinate, Packing};
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
