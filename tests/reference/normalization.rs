//! Group normalisation.

use super::{Tensor, epilogue};
use srdiff::exec::StepRecord;
use srdiff::ops::GroupNorm;

pub fn group_norm(op: &GroupNorm, inputs: &[&Tensor], record: &StepRecord) -> Tensor {
    let (x, weight, bias) = (inputs[0], inputs[1], inputs[2]);
    let channels = x.shape.c / op.groups;
    let statistics: Vec<Vec<(f64, f64)>> = (0..x.shape.n)
        .map(|n| {
            let of_group = |group| {
                let values = Tensor::channels(x, group * channels, channels);
                let size = channels * x.shape.pixels();
                let values = &values.data[n * size..(n + 1) * size];
                let mean = values.iter().sum::<f64>() / size as f64;
                let variance =
                    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / size as f64;
                (mean, variance)
            };
            (0..op.groups).map(of_group).collect()
        })
        .collect();
    let y = Tensor::of(x.shape, |n, c, i, j| {
        let (mean, variance) = statistics[n][c / channels];
        (x.at(n, c, i, j) - mean) / (variance + f64::from(op.epsilon)).sqrt()
            * weight.at(0, c, 0, 0)
            + bias.at(0, c, 0, 0)
    });
    epilogue(&op.epilogue, &y, &inputs[GroupNorm::OPERANDS..], record)
}
