//! The gradient of linear attention; the twin of
//! `shaders/linear_attention_gradient.wgsl`.

use super::choose::{bytes, plain};
use super::gemm::multiply;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::mish::exp;
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::graph::Shape;
use crate::ops::LinearAttentionGradient;
use crate::plan::{Choice, NodeOperands};
use rayon::prelude::*;

pub(super) fn choose(node: &NodeOperands, op: &LinearAttentionGradient) -> Choice {
    let qkv = node.inputs[LinearAttentionGradient::QKV].shape();
    Choice {
        thread_bytes: bytes(scratch(qkv, op).iter().sum()),
        ..plain(node)
    }
}

/// What a head works in: the softmax of its keys and its gradient; the context,
/// its gradient, transposed and not, and one number for each key's channel.
fn scratch(qkv: Shape, op: &LinearAttentionGradient) -> [usize; 2] {
    let d = op.head_channels;
    [2 * qkv.pixels() * d, 3 * d * d + d]
}

pub(super) fn load(loading: &Loading, op: &LinearAttentionGradient) -> Result<Kernel, ExecError> {
    let qkv: View = loading.input(LinearAttentionGradient::QKV)?;
    let dy: View = loading.input(LinearAttentionGradient::DY)?;
    let dqkv: View = loading.output(0)?;
    let sizes = scratch(qkv.shape, op);
    let threads = loading.thread_scratch(sizes.iter().sum())?;
    let (heads, d) = (op.heads, op.head_channels);
    Ok(Box::new(move |_| {
        (0..qkv.shape.n * heads).into_par_iter().for_each(|task| {
            threads.scratch(sizes, |of_pixels, of_head| {
                let head = Head {
                    qkv,
                    dy,
                    dqkv,
                    first: task / heads * qkv.shape.pixels(),
                    heads,
                    head: task % heads,
                    d,
                };
                head.run(of_pixels, of_head);
            });
        });
    }))
}

/// A head of a sample.
struct Head {
    qkv: View,
    dy: View,
    dqkv: View,
    /// The sample's first pixel.
    first: usize,
    heads: usize,
    head: usize,
    /// Channels of a head.
    d: usize,
}

impl Head {
    /// The first channel of the head's queries, keys and values.
    fn channels(&self) -> [usize; 3] {
        [0, 1, 2].map(|part| (part * self.heads + self.head) * self.d)
    }

    fn run(&self, of_pixels: &mut [f32], of_head: &mut [f32]) {
        let (d, pixels) = (self.d, self.qkv.shape.pixels());
        let [q, k, v] = self.channels();
        let (softmax, softmax_gradient) = of_pixels.split_at_mut(pixels * d);
        let (context, rest) = of_head.split_at_mut(d * d);
        let (gradient, rest) = rest.split_at_mut(d * d);
        let (transposed, per_channel) = rest.split_at_mut(d * d);
        self.softmax(k, softmax, per_channel);

        let address = |view: &View, channel: usize| {
            // SAFETY: a channel of the sample's first pixel.
            unsafe { view.address(self.first).add(channel) }
        };
        let (query, value) = (address(&self.qkv, q), address(&self.qkv, v));
        let (pitch, dy_pitch, to_pitch) = (self.qkv.pitch, self.dy.pitch, self.dqkv.pitch);
        let dy = address(&self.dy, self.head * d);
        // SAFETY: the matrices are d x d, or pixels x d at the distance of their
        // pixels; each head's channels of the result belong to one task.
        unsafe {
            // context[e, d] = sum_p v[p, e] s[p, d]
            multiply(
                [d, pixels, d],
                (value, [1, pitch]),
                (softmax.as_ptr(), d),
                (context.as_mut_ptr(), d),
                false,
            );
            // dq[p, d] = sum_e dy[p, e] context[e, d]
            multiply(
                [pixels, d, d],
                (dy, [dy_pitch, 1]),
                (context.as_ptr(), d),
                (address(&self.dqkv, q), to_pitch),
                false,
            );
            // dcontext[d, e] = sum_p q[p, d] dy[p, e], and transposed
            multiply(
                [d, pixels, d],
                (query, [1, pitch]),
                (dy, dy_pitch),
                (gradient.as_mut_ptr(), d),
                false,
            );
            multiply(
                [d, pixels, d],
                (dy, [1, dy_pitch]),
                (query, pitch),
                (transposed.as_mut_ptr(), d),
                false,
            );
            // dv[p, e] = sum_d s[p, d] dcontext[d, e]
            multiply(
                [pixels, d, d],
                (softmax.as_ptr(), [d, 1]),
                (gradient.as_ptr(), d),
                (address(&self.dqkv, v), to_pitch),
                false,
            );
            // ds[p, d] = sum_e v[p, e] dcontext[d, e]
            multiply(
                [pixels, d, d],
                (value, [pitch, 1]),
                (transposed.as_ptr(), d),
                (softmax_gradient.as_mut_ptr(), d),
                false,
            );
        }
        vectorized!({
            per_channel.fill(0.0);
            let rows = softmax
                .chunks_exact(d)
                .zip(softmax_gradient.chunks_exact(d));
            for (s, ds) in rows.clone() {
                for ((sum, s), ds) in per_channel.iter_mut().zip(s).zip(ds) {
                    *sum += s * ds;
                }
            }
            for (p, (s, ds)) in rows.enumerate() {
                // SAFETY: these channels belong to this task.
                let dk = unsafe {
                    std::slice::from_raw_parts_mut(self.dqkv.address(self.first + p).add(k), d)
                };
                for (c, dk) in dk.iter_mut().enumerate() {
                    *dk = s[c] * (ds[c] - per_channel[c]);
                }
            }
        });
    }

    /// `softmax_p(k[p, d])` over pixels.
    fn softmax(&self, keys: usize, softmax: &mut [f32], most: &mut [f32]) {
        let d = self.d;
        // SAFETY: nothing writes qkv meanwhile.
        let key = |p: usize| unsafe { &self.qkv.pixel(self.first + p)[keys..keys + d] };
        let mut total = vec![0.0f64; d];
        vectorized!(fma => {
            most.fill(f32::NEG_INFINITY);
            for p in 0..softmax.len() / d {
                for (most, &k) in most.iter_mut().zip(key(p)) {
                    *most = if k > *most { k } else { *most };
                }
            }
            for (p, softmax) in softmax.chunks_exact_mut(d).enumerate() {
                let key = key(p);
                for c in 0..d {
                    softmax[c] = exp(fma, key[c] - most[c]);
                    total[c] += f64::from(softmax[c]);
                }
            }
            for softmax in softmax.chunks_exact_mut(d) {
                for (s, &total) in softmax.iter_mut().zip(&total) {
                    *s /= total as f32;
                }
            }
        });
    }
}
