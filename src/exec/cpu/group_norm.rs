//! Group normalisation; the twin of `shaders/group_norm.wgsl`.

use super::choose::{bytes, vector, weighted};
use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::GroupNorm;
use crate::plan::{Choice, NodeOperands, Precision};
use rayon::prelude::*;

/// Pixels of one task. Sums are always split here, whatever the number of
/// threads, so that they always round alike.
pub(super) const CHUNK: usize = 512;

pub(super) fn choose(node: &NodeOperands) -> Choice {
    let shape = node.inputs[GroupNorm::X].shape();
    Choice {
        scratch: choice::scratch("partial_sums", partial_sums(shape)),
        thread_bytes: bytes(CHUNK.min(shape.pixels()) * shape.c),
        ..weighted(node, Precision::F32, [vector(shape.c), vector(shape.c)])
    }
}

/// Elements of f32 that the f64 sums of all chunks of a sample take.
pub(super) fn partial_sums(shape: Shape) -> usize {
    2 * shape.pixels().div_ceil(CHUNK) * shape.c
}

pub(super) fn load(loading: &Loading, op: &GroupNorm) -> Result<Kernel, ExecError> {
    let x = loading.input(GroupNorm::X)?;
    let channels = x.shape.c;
    let weight = loading.weight(GroupNorm::WEIGHT, &vector(channels))?;
    let bias = loading.weight(GroupNorm::BIAS, &vector(channels))?;
    let epilogue: BoundEpilogue =
        BoundEpilogue::new(loading, &op.epilogue, GroupNorm::OPERANDS, Some(bias))?;
    let partial = loading.scratch([1, partial_sums(x.shape)])?;
    let threads = loading.thread_scratch(CHUNK.min(x.shape.pixels()) * channels)?;
    let (groups, epsilon) = (op.groups, f64::from(op.epsilon));
    Ok(Box::new(move |record| {
        let terms = epilogue.terms(record);
        let pixels = x.shape.pixels();
        // SAFETY: weights are packed before anything runs.
        let weight = unsafe { weight.pixel(0) };
        for n in 0..x.shape.n {
            // y = (x - mean) * factor + bias, for each channel; a factor and
            // an offset alone would cancel where the mean is large.
            let (mean, factor) = statistics(&x, n, groups, epsilon, weight, &partial);
            let chunks = (0..pixels.div_ceil(CHUNK)).into_par_iter();
            chunks.for_each(|chunk| {
                let first = n * pixels + chunk * CHUNK;
                let count = CHUNK.min(pixels - chunk * CHUNK);
                threads.scratch([count * channels, 0], |normalised, _| {
                    vectorized!(fma => {
                        let results = normalised.chunks_exact_mut(channels);
                        for (k, result) in results.enumerate() {
                            // SAFETY: nothing writes x meanwhile.
                            let x = unsafe { x.pixel(first + k) };
                            for (c, result) in result.iter_mut().enumerate() {
                                *result = (x[c] - mean[c]) * factor[c];
                            }
                        }
                        // SAFETY: each pixel belongs to one task.
                        unsafe { epilogue.store(fma, &terms, (normalised, channels), n, first) };
                    });
                });
            });
        }
    }))
}

/// Mean and factor of each channel of sample `n`.
fn statistics(
    x: &View,
    n: usize,
    groups: usize,
    epsilon: f64,
    weight: &[f32],
    partial: &View,
) -> (Vec<f32>, Vec<f32>) {
    let per_group = x.shape.c / groups;
    let moments = moments(x, n, groups, epsilon, partial);
    let channels = weight.iter().enumerate().map(|(c, &weight)| {
        let (mean, rate) = moments[c / per_group];
        (mean as f32, (f64::from(weight) * rate) as f32)
    });
    channels.unzip()
}

/// Mean of each group of sample `n`, and `1 / sqrt(variance + epsilon)`; the
/// variance is biased, and both are summed in f64.
pub(super) fn moments(
    x: &View,
    n: usize,
    groups: usize,
    epsilon: f64,
    partial: &View,
) -> Vec<(f64, f64)> {
    let per_group = x.shape.c / groups;
    let count = (per_group * x.shape.pixels()) as f64;
    let of_groups = |sums: Vec<f64>| -> Vec<f64> {
        sums.chunks_exact(per_group)
            .map(|group| group.iter().sum::<f64>() / count)
            .collect()
    };
    let means = of_groups(sum(x, n, partial, |p, sums| {
        // SAFETY: nothing writes x meanwhile.
        for (sum, &v) in sums.iter_mut().zip(unsafe { x.pixel(p) }) {
            *sum += f64::from(v);
        }
    }));
    let variances = of_groups(sum(x, n, partial, |p, sums| {
        // SAFETY: nothing writes x meanwhile.
        for (c, (sum, &v)) in sums.iter_mut().zip(unsafe { x.pixel(p) }).enumerate() {
            let difference = f64::from(v) - means[c / per_group];
            *sum += difference * difference;
        }
    }));
    let rate = |variance: &f64| 1.0 / (variance + epsilon).sqrt();
    means
        .iter()
        .copied()
        .zip(variances.iter().map(rate))
        .collect()
}

/// What `add` adds up over the pixels of sample `n`, which are counted through
/// all samples, for each channel; the sums of chunks go to `partial`.
pub(super) fn sum(
    x: &View,
    n: usize,
    partial: &View,
    add: impl Fn(usize, &mut [f64]) + Sync,
) -> Vec<f64> {
    let (channels, pixels) = (x.shape.c, x.shape.pixels());
    let chunks = pixels.div_ceil(CHUNK);
    // SAFETY: scratch of this node alone.
    let partial = unsafe { partial.pixel_mut(0) };
    let partial: &mut [f64] = bytemuck::cast_slice_mut(partial);
    let sums_of_chunks = partial.par_chunks_exact_mut(channels).take(chunks);
    sums_of_chunks.enumerate().for_each(|(chunk, sums)| {
        sums.fill(0.0);
        vectorized!({
            for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                add(n * pixels + p, sums);
            }
        });
    });
    let mut total = vec![0.0; channels];
    for sums in partial.chunks_exact(channels).take(chunks) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}
