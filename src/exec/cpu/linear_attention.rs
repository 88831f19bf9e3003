//! Linear attention; the twin of `shaders/linear_attention.wgsl`.

use super::choose::{bytes, plain};
use super::gemm::multiply;
use super::kernel::{Kernel, Loading};
use super::memory::{Threads, View};
use super::mish::exp;
use super::simd::vectorized;
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::LinearAttention;
use crate::plan::{Choice, NodeOperands};
use rayon::prelude::*;
use std::sync::Arc;

/// Pixels of one task of the last product.
const CHUNK: usize = 256;

pub(super) fn choose(node: &NodeOperands, op: &LinearAttention) -> Choice {
    let qkv = node.inputs[0].shape();
    Choice {
        scratch: choice::scratch("context", context_size(qkv, op).iter().product()),
        thread_bytes: bytes(thread_elements(qkv, op)),
        ..plain(node)
    }
}

/// The heads of all samples, and the elements of each one's context.
fn context_size(qkv: Shape, op: &LinearAttention) -> [usize; 2] {
    [qkv.n * op.heads, op.head_channels * op.head_channels]
}

/// The weights of every pixel's key, and the largest keys.
fn thread_elements(qkv: Shape, op: &LinearAttention) -> usize {
    (qkv.pixels() + 1) * op.head_channels
}

pub(super) fn load(loading: &Loading, op: &LinearAttention) -> Result<Kernel, ExecError> {
    let (qkv, y) = (loading.input(0)?, loading.output(0)?);
    let attention = Attention {
        heads: op.heads,
        d: op.head_channels,
        context: loading.scratch(context_size(qkv.shape, op))?,
        threads: loading.thread_scratch(thread_elements(qkv.shape, op))?,
        qkv,
        y,
    };
    Ok(Box::new(move |_| attention.run()))
}

struct Attention {
    heads: usize,
    /// Channels of a head.
    d: usize,
    qkv: View,
    /// `[d][e]` for each head of each sample.
    context: View,
    y: View,
    threads: Arc<Threads>,
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
        self.threads.scratch([pixels * d, d], |weights, most| {
            // SAFETY: nothing writes qkv meanwhile.
            let key = |p: usize| unsafe { &self.qkv.pixel(first + p)[keys..keys + d] };
            vectorized!(fma => {
                most.fill(f32::NEG_INFINITY);
                for p in 0..pixels {
                    for (most, &k) in most.iter_mut().zip(key(p)) {
                        *most = if k > *most { k } else { *most };
                    }
                }
                for (p, weights) in weights.chunks_exact_mut(d).enumerate() {
                    let key = key(p);
                    for c in 0..d {
                        weights[c] = exp(fma, key[c] - most[c]);
                        total[c] += f64::from(weights[c]);
                    }
                }
            });
            // SAFETY: the context is scratch of this step, and each head's
            // part of it belongs to one task.
            let context = unsafe { self.context.pixel_mut(n * self.heads + head) };
            // SAFETY: context is d x d, the keys' weights pixels x d, and the
            // values pixels x d at the distance of qkv's pixels.
            unsafe {
                multiply(
                    [d, pixels, d],
                    (weights.as_ptr(), [1, d]),
                    (self.qkv.address(first).add(values), self.qkv.pitch),
                    (context.as_mut_ptr(), d),
                    false,
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
        for head in 0..self.heads {
            // SAFETY: the context is complete.
            let context = unsafe { self.context.pixel(n * self.heads + head) };
            // SAFETY: `count` pixels lie in both slots, and each belongs to
            // one task.
            unsafe {
                multiply(
                    [count, d, d],
                    (self.qkv.address(pixel).add(head * d), [self.qkv.pitch, 1]),
                    (context.as_ptr(), d),
                    (self.y.address(pixel).add(head * d), self.y.pitch),
                    false,
                );
            }
        }
    }
}
