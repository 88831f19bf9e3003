//! The matrix product at one point.
#![allow(clippy::needless_range_loop)] // matrices, indexed as in the formulas

use super::LANES;
use pulp::Simd;

/// Tiles that one pass over the weights of a point takes at most.
const MAX_GROUP: usize = 10;

/// Matrix products `y[t, o] = sum_c x[t, c] * weights[c, o]` over the tiles of
/// a block.
pub struct Product {
    pub tiles: usize,
    /// Channels.
    pub depth: usize,
    /// A multiple of [`LANES`].
    pub outputs: usize,
    /// Distances of tiles in x and y.
    pub pitches: [usize; 2],
}

impl Product {
    /// `weights` of one point as in [`packings`](super::packings).
    #[inline(always)]
    pub fn run<S: Simd>(&self, simd: S, x: &[f32], weights: &[f32], y: &mut [f32]) {
        let [x_pitch, y_pitch] = self.pitches;
        let last = self.tiles - 1;
        assert!(x.len() >= last * x_pitch + self.depth, "winograd: x");
        assert!(y.len() >= last * y_pitch + self.outputs, "winograd: y");
        assert!(
            weights.len() >= self.depth * self.outputs,
            "winograd: weights"
        );
        let vectors = self.outputs / S::F32_LANES;
        // Vector registers hold the sums of some tiles by two vectors, these
        // two of the weights, and an element of x; other registers the
        // addresses of the tiles.
        let most = match S::REGISTER_COUNT >= 32 {
            true => MAX_GROUP,
            false => 6,
        };
        for vector in (0..vectors).step_by(2) {
            let at = (x, weights, &mut *y, vector);
            match vectors - vector {
                1 => self.columns::<S, 1>(simd, at, MAX_GROUP),
                _ => self.columns::<S, 2>(simd, at, most),
            }
        }
    }

    /// All tiles of N vectors of outputs, in groups of about `most` tiles.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(
        &self,
        simd: S,
        (x, weights, y, vector): (&[f32], &[f32], &mut [f32], usize),
        most: usize,
    ) {
        let [x_pitch, y_pitch] = self.pitches;
        let of_block = LANES / S::F32_LANES;
        // SAFETY: `run` has checked that all tiles, channels and outputs are there.
        unsafe {
            let mut starts = [weights.as_ptr(); N];
            for (j, start) in starts.iter_mut().enumerate() {
                let (block, part) = ((vector + j) / of_block, (vector + j) % of_block);
                *start = start.add(block * self.depth * LANES + part * S::F32_LANES);
            }
            let groups = self.tiles.div_ceil(most);
            for group in 0..groups {
                let first = group * self.tiles / groups;
                let count = (group + 1) * self.tiles / groups - first;
                let x = x.as_ptr().add(first * x_pitch);
                let y = y.as_mut_ptr().add(first * y_pitch + vector * S::F32_LANES);
                macro_rules! by_count {
                    ($($m:literal)*) => {
                        match count {
                            $($m => self.tile::<S, $m, N>(simd, x, starts, y),)*
                            _ => unreachable!("a group of {count} tiles"),
                        }
                    };
                }
                by_count!(1 2 3 4 5 6 7 8 9 10);
            }
        }
    }

    /// M tiles by N vectors of outputs.
    ///
    /// # Safety
    /// M tiles of x and y lie at the addresses, and the weights of all channels.
    #[inline(always)]
    unsafe fn tile<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        x: *const f32,
        weights: [*const f32; N],
        y: *mut f32,
    ) {
        let [x_pitch, y_pitch] = self.pitches;
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        // SAFETY: the caller's promise.
        unsafe {
            for c in 0..self.depth {
                let mut w = [simd.splat_f32s(0.0); N];
                for j in 0..N {
                    w[j] = weights[j].add(c * LANES).cast::<S::f32s>().read_unaligned();
                }
                for i in 0..M {
                    let x = simd.splat_f32s(*x.add(i * x_pitch + c));
                    for j in 0..N {
                        sums[i][j] = simd.mul_add_e_f32s(x, w[j], sums[i][j]);
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
