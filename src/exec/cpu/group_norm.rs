//! Group normalisation; the twin of `shaders/group_norm.wgsl`.

use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::products::with_scratch;
use super::simd::vectorized_mut;
use crate::exec::ExecError;
use crate::ops::GroupNorm;
use rayon::prelude::*;

/// Pixels of one task. Sums are always split here, whatever the number of
/// threads, so that they always round alike.
const CHUNK: usize = 512;

pub(super) fn load(loading: &mut Loading, op: &GroupNorm) -> Result<Kernel, ExecError> {
    let x = loading.input(GroupNorm::X);
    let weight = loading.weight(GroupNorm::WEIGHT)?.into_owned();
    let bias = loading.weight(GroupNorm::BIAS)?.into_owned();
    let epilogue = BoundEpilogue::new(loading, &op.epilogue, GroupNorm::OPERANDS);
    let (groups, epsilon) = (op.groups, f64::from(op.epsilon));
    Ok(Box::new(move |record| {
        let offsets = epilogue.offsets(record);
        let pixels = x.shape.pixels();
        for n in 0..x.shape.n {
            // y = (x - mean) * factor + bias, for each channel; a factor and
            // an offset alone would cancel where the mean is large.
            let (mean, factor) = statistics(&x, n, groups, epsilon, &weight);
            (0..pixels.div_ceil(CHUNK))
                .into_par_iter()
                .for_each(|chunk| {
                    let first = n * pixels + chunk * CHUNK;
                    let count = CHUNK.min(pixels - chunk * CHUNK);
                    with_scratch(count * x.shape.c, 0, |normalised, _| {
                        vectorized_mut(
                            #[inline(always)]
                            || {
                                let results = normalised.chunks_exact_mut(x.shape.c);
                                for (k, result) in results.enumerate() {
                                    // SAFETY: nothing writes x meanwhile.
                                    let x = unsafe { x.pixel(first + k) };
                                    for (c, result) in result.iter_mut().enumerate() {
                                        *result = (x[c] - mean[c]) * factor[c];
                                    }
                                }
                                // SAFETY: each pixel belongs to one task.
                                unsafe {
                                    epilogue.store(&offsets, &bias, normalised, first, count)
                                };
                            },
                        );
                    });
                });
        }
    }))
}

/// Mean and factor of each channel of sample `n`, from the mean and biased
/// variance of its group, both summed in f64.
fn statistics(
    x: &View,
    n: usize,
    groups: usize,
    epsilon: f64,
    weight: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let channels = x.shape.c;
    let per_group = channels / groups;
    let count = (per_group * x.shape.pixels()) as f64;
    let of_groups = |sums: Vec<f64>| -> Vec<f64> {
        sums.chunks_exact(per_group)
            .map(|group| group.iter().sum::<f64>() / count)
            .collect()
    };
    let means = of_groups(sum(x, n, |v, _| v));
    let variances = of_groups(sum(x, n, |v, c| {
        let difference = v - means[c / per_group];
        difference * difference
    }));
    let group_of = |c: usize| c / per_group;
    let mean = (0..channels).map(|c| means[group_of(c)] as f32).collect();
    let factor = (0..channels)
        .map(|c| (f64::from(weight[c]) / (variances[group_of(c)] + epsilon).sqrt()) as f32)
        .collect();
    (mean, factor)
}

/// Sum of `term(x, channel)` over the pixels of sample `n`, for each channel.
fn sum(x: &View, n: usize, term: impl Fn(f64, usize) -> f64 + Sync) -> Vec<f64> {
    let (channels, pixels) = (x.shape.c, x.shape.pixels());
    let partial: Vec<Vec<f64>> = (0..pixels.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut sums = vec![0.0; channels];
            vectorized_mut(
                #[inline(always)]
                || {
                    for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                        // SAFETY: nothing writes x meanwhile.
                        let x = unsafe { x.pixel(n * pixels + p) };
                        for (c, (sum, &v)) in sums.iter_mut().zip(x).enumerate() {
                            *sum += term(f64::from(v), c);
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut total = vec![0.0; channels];
    for sums in partial {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}
