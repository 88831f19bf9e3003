//! Group normalisation.

use super::{Tensor, epilogue};
use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{GroupNorm, GroupNormGradient};

pub fn group_norm(op: &GroupNorm, inputs: &[&Tensor], record: &StepRecord) -> Tensor {
    let (x, weight, bias) = (inputs[0], inputs[1], inputs[2]);
    let channels = x.shape.c / op.groups;
    let statistics = statistics(x, op.groups);
    let y = Tensor::of(x.shape, |n, c, i, j| {
        let (mean, variance) = statistics[n][c / channels];
        (x.at(n, c, i, j) - mean) / (variance + f64::from(op.epsilon)).sqrt()
            * weight.at(0, c, 0, 0)
            + bias.at(0, c, 0, 0)
    });
    epilogue(&op.epilogue, &y, &inputs[GroupNorm::OPERANDS..], record)
}

/// Mean and variance of each sample's groups.
fn statistics(x: &Tensor, groups: usize) -> Vec<Vec<(f64, f64)>> {
    let means = group_means(x, groups);
    let channels = x.shape.c / groups;
    let squares = Tensor::of(x.shape, |n, c, i, j| {
        (x.at(n, c, i, j) - means[n][c / channels]).powi(2)
    });
    let variances = group_means(&squares, groups);
    let pairs = means.into_iter().zip(variances);
    pairs
        .map(|(means, variances)| means.into_iter().zip(variances).collect())
        .collect()
}

/// The mean of each sample's groups.
fn group_means(x: &Tensor, groups: usize) -> Vec<Vec<f64>> {
    let channels = x.shape.c / groups;
    let size = channels * x.shape.pixels();
    let of_sample = |n: usize| {
        let of_group = |group| {
            let values = Tensor::channels(x, group * channels, channels);
            values.data[n * size..(n + 1) * size].iter().sum::<f64>() / size as f64
        };
        (0..groups).map(of_group).collect()
    };
    (0..x.shape.n).map(of_sample).collect()
}

/// dx, dweight and dbias.
pub fn group_norm_gradient(op: &GroupNormGradient, inputs: &[&Tensor]) -> Vec<Tensor> {
    let (x, dy, weight) = (
        inputs[GroupNormGradient::X],
        inputs[GroupNormGradient::DY],
        inputs[GroupNormGradient::WEIGHT],
    );
    let channels = x.shape.c / op.groups;
    let statistics = statistics(x, op.groups);
    let deviation = |n: usize, c: usize| {
        let (_, variance) = statistics[n][c / channels];
        (variance + f64::from(op.epsilon)).sqrt()
    };
    let z = Tensor::of(x.shape, |n, c, i, j| {
        let (mean, _) = statistics[n][c / channels];
        (x.at(n, c, i, j) - mean) / deviation(n, c)
    });
    let times = |a: &Tensor, b: &Tensor| {
        Tensor::of(x.shape, |n, c, i, j| a.at(n, c, i, j) * b.at(n, c, i, j))
    };
    let g = Tensor::of(x.shape, |n, c, i, j| {
        dy.at(n, c, i, j) * weight.at(0, c, 0, 0)
    });
    let g_mean = group_means(&g, op.groups);
    let gz_mean = group_means(&times(&g, &z), op.groups);
    let dx = Tensor::of(x.shape, |n, c, i, j| {
        let group = c / channels;
        (g.at(n, c, i, j) - g_mean[n][group] - z.at(n, c, i, j) * gz_mean[n][group])
            / deviation(n, c)
    });
    let channel_sums = |of: &Tensor| {
        Tensor::of(Shape::vector(x.shape.c), |_, c, _, _| {
            let whole = Tensor::channels(of, c, 1);
            whole.data.iter().sum()
        })
    };
    vec![dx, channel_sums(&times(dy, &z)), channel_sums(dy)]
}
