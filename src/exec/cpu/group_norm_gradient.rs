//! The gradients of group normalisation; the twin of
//! `shaders/group_norm_gradient.wgsl`.

use super::choose::{vector, weighted};
use super::group_norm::{CHUNK, moments, partial_sums, sum};
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::exec::{ExecError, choice};
use crate::ops::GroupNormGradient;
use crate::plan::{Choice, NodeOperands, Precision};
use rayon::prelude::*;

pub(super) fn choose(node: &NodeOperands) -> Choice {
    let shape = node.inputs[GroupNormGradient::X].shape();
    Choice {
        scratch: choice::scratch("partial_sums", partial_sums(shape)),
        ..weighted(node, Precision::F32, [vector(shape.c)])
    }
}

pub(super) fn load(loading: &Loading, op: &GroupNormGradient) -> Result<Kernel, ExecError> {
    let x: View = loading.input(GroupNormGradient::X)?;
    let dy: View = loading.input(GroupNormGradient::DY)?;
    let channels = x.shape.c;
    let weight: View = loading.weight(GroupNormGradient::WEIGHT, &vector(channels))?;
    let dx: View = loading.output(0)?;
    let (dweight, dbias) = (loading.tensor_output(1)?, loading.tensor_output(2)?);
    let partial = loading.scratch([1, partial_sums(x.shape)])?;
    let (groups, epsilon) = (op.groups, f64::from(op.epsilon));
    Ok(Box::new(move |_| {
        let pixels = x.shape.pixels();
        let per_group = channels / groups;
        let count = (per_group * pixels) as f64;
        // SAFETY: weights are packed before anything runs.
        let weight = unsafe { weight.pixel(0) };
        let (mut of_weight, mut of_bias) = (vec![0.0f64; channels], vec![0.0f64; channels]);
        for n in 0..x.shape.n {
            let moments = moments(&x, n, groups, epsilon, &partial);
            let of_channel = |c: usize| moments[c / per_group];
            let add = |p: usize, sums: &mut [f64], scaled: bool| {
                // SAFETY: nothing writes them meanwhile.
                let (x, dy) = unsafe { (x.pixel(p), dy.pixel(p)) };
                for (c, sum) in sums.iter_mut().enumerate() {
                    let (mean, rate) = of_channel(c);
                    let z = (f64::from(x[c]) - mean) * rate;
                    *sum += f64::from(dy[c]) * if scaled { z } else { 1.0 };
                }
            };
            let sums = sum(&x, n, &partial, |p, sums| add(p, sums, false));
            let scaled = sum(&x, n, &partial, |p, sums| add(p, sums, true));
            // Means over the group of g and g z.
            let mut means = vec![(0.0f64, 0.0f64); groups];
            for c in 0..channels {
                of_bias[c] += sums[c];
                of_weight[c] += scaled[c];
                let (g, gz) = &mut means[c / per_group];
                *g += f64::from(weight[c]) * sums[c] / count;
                *gz += f64::from(weight[c]) * scaled[c] / count;
            }
            // dx = a dy + b (x - mean) + d, for each channel.
            let terms: Vec<[f32; 4]> = (0..channels)
                .map(|c| {
                    let ((mean, rate), (g, gz)) = (of_channel(c), means[c / per_group]);
                    let a = f64::from(weight[c]) * rate;
                    [a, -rate * rate * gz, -rate * g, mean].map(|v| v as f32)
                })
                .collect();
            let chunks = (0..pixels.div_ceil(CHUNK)).into_par_iter();
            chunks.for_each(|chunk| {
                vectorized!({
                    for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                        let p = n * pixels + p;
                        // SAFETY: each pixel of dx, another value than the
                        // operands, belongs to one task.
                        let (x, dy, dx) = unsafe { (x.pixel(p), dy.pixel(p), dx.pixel_mut(p)) };
                        for c in 0..channels {
                            let [a, b, d, mean] = terms[c];
                            dx[c] = a * dy[c] + (b * (x[c] - mean) + d);
                        }
                    }
                });
            });
        }
        for (result, total) in [(&dweight, &of_weight), (&dbias, &of_bias)] {
            // SAFETY: another value than the operands, written here alone.
            let result = unsafe { result.pixel_mut(0) };
            for (result, &total) in result.iter_mut().zip(total) {
                *result = total as f32;
            }
        }
    }))
}
