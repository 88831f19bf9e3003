//! Linear attention; the twin of `shaders/linear_attention.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::mish::exp;
use super::products::{multiply, with_scratch};
use super::simd::vectorized_mut;
use crate::ops::LinearAttention;
use gemm::Parallelism;
use rayon::prelude::*;

/// Pixels of one task of the last product.
const CHUNK: usize = 256;

pub(super) fn load(loading: &mut Loading, op: &LinearAttention) -> Kernel {
    let (qkv, y) = (loading.input(0), loading.output(0));
    let context = loading.output(1);
    let attention = Attention {
        heads: op.heads,
        d: op.head_channels,
        qkv,
        context,
        y,
    };
    Box::new(move |_| attention.run())
}

struct Attention {
    heads: usize,
    /// Channels of a head.
    d: usize,
    qkv: View,
    /// `[n][head][d][e]`, contiguous.
    context: View,
    y: View,
}

impl Attention {
    fn run(&self) {
        let (samples, pixels) = (self.qkv.shape.n, self.qkv.shape.pixels());
        (0..samples * self.heads)
            .into_par_iter()
            .for_each(|index| self.context_of_head(index / self.heads, index % self.heads));
        let chunks = pixels.div_ceil(CHUNK);
        (0..samples * chunks).into_par_iter().for_each(|index| {
            let (n, first) = (index / chunks, index % chunks * CHUNK);
            self.attend(n, first, CHUNK.min(pixels - first));
        });
    }

    /// `context[d, e] = sum_p softmax_p(k[d, :])[p] v[e, p]`.
    fn context_of_head(&self, n: usize, head: usize) {
        let (d, pixels) = (self.d, self.qkv.shape.pixels());
        let first = n * pixels;
        let keys = (self.heads + head) * d;
        let values = (2 * self.heads + head) * d;
        let mut total = vec![0.0f64; d];
        with_scratch(pixels * d, d, |weights, most| {
            // SAFETY: nothing writes qkv meanwhile.
            let key = |p: usize| unsafe { &self.qkv.pixel(first + p)[keys..keys + d] };
            vectorized_mut(
                #[inline(always)]
                || {
                    most.fill(f32::NEG_INFINITY);
                    for p in 0..pixels {
                        for (most, &k) in most.iter_mut().zip(key(p)) {
                            *most = if k > *most { k } else { *most };
                        }
                    }
                    for (p, weights) in weights.chunks_exact_mut(d).enumerate() {
                        let key = key(p);
                        for c in 0..d {
                            weights[c] = exp(key[c] - most[c]);
                            total[c] += f64::from(weights[c]);
                        }
                    }
                },
            );
            // SAFETY: the context is scratch of this step, and each head's
            // part of it belongs to one task.
            let context = unsafe { &mut self.context.pixel_mut(n)[head * d * d..][..d * d] };
            // SAFETY: context is d x d, the keys' weights pixels x d, and the
            // values pixels x d at the distance of qkv's pixels.
            unsafe {
                gemm::gemm(
                    d,
                    d,
                    pixels,
                    context.as_mut_ptr(),
                    d as isize,
                    1,
                    false,
                    self.qkv.address(first).add(values),
                    self.qkv.pitch as isize,
                    1,
                    weights.as_ptr(),
                    1,
                    d as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
            for (row, &total) in context.chunks_exact_mut(d).zip(&total) {
                for v in row {
                    *v /= total as f32;
                }
            }
        });
    }

    /// `y[e, p] = sum_d context[d, e] q[d, p]` for `count` pixels.
    fn attend(&self, n: usize, first: usize, count: usize) {
        let d = self.d;
        let pixel = n * self.qkv.shape.pixels() + first;
        // SAFETY: the context is complete.
        let context = unsafe { self.context.pixel(n) };
        for (head, context) in context.chunks_exact(d * d).enumerate() {
            // SAFETY: `count` pixels lie in both slots, and each belongs to
            // one task.
            unsafe {
                let queries = self.qkv.address(pixel).add(head * d);
                let y = self.y.address(pixel).add(head * d);
                multiply(
                    count,
                    queries,
                    self.qkv.pitch,
                    context,
                    d,
                    y,
                    self.y.pitch,
                    false,
                );
            }
        }
    }
}
