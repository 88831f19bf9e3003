//! Losses, sums, and the optimizer.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::{Adam, ChannelSum, Loss, Norm};

/// The gradient, and the loss.
pub fn loss(op: &Loss, inputs: &[&Tensor]) -> Vec<Tensor> {
    let (prediction, target) = (inputs[Loss::PREDICTION], inputs[Loss::TARGET]);
    let scale = inputs[Loss::SCALE].data[0];
    let count = prediction.data.len() as f64;
    let differences = prediction.data.iter().zip(&target.data);
    let differences: Vec<f64> = differences.map(|(p, t)| p - t).collect();
    let terms = differences.iter().map(|d| match op.norm {
        Norm::L1 => d.abs(),
        Norm::L2 => d * d,
    });
    let mean = terms.sum::<f64>() / count;
    let gradient = differences.iter().map(|&d| match op.norm {
        Norm::L1 if d == 0.0 => 0.0,
        // NaN for NaN.
        Norm::L1 => scale * d.signum() / count,
        Norm::L2 => scale * 2.0 * d / count,
    });
    let gradient = Tensor {
        shape: prediction.shape,
        data: gradient.collect(),
    };
    vec![gradient, Tensor::of(Shape::vector(1), |_, _, _, _| mean)]
}

pub fn channel_sum(op: &ChannelSum, x: &Tensor) -> Tensor {
    let s = x.shape;
    let sum = |n: usize, c: usize| -> f64 {
        let pixels = (0..s.h).flat_map(|i| (0..s.w).map(move |j| (i, j)));
        pixels.map(|(i, j)| x.at(n, c, i, j)).sum()
    };
    match op.per_sample {
        true => Tensor::of(Shape::matrix(s.n, s.c), |n, c, _, _| sum(n, c)),
        false => Tensor::of(Shape::vector(s.c), |_, c, _, _| {
            (0..s.n).map(|n| sum(n, c)).sum()
        }),
    }
}

pub fn accumulate(inputs: &[&Tensor]) -> Tensor {
    let (total, x) = (inputs[0], inputs[1]);
    Tensor::of(total.shape, |n, c, i, j| {
        total.at(n, c, i, j) + x.at(n, c, i, j)
    })
}

pub fn squared_norms(inputs: &[&Tensor]) -> Tensor {
    Tensor::of(Shape::new(1, 1, 1, inputs.len()), |_, _, _, i| {
        inputs[i].data.iter().map(|v| v * v).sum()
    })
}

/// The parameter, its moments and its average.
pub fn adam(op: &Adam, inputs: &[&Tensor]) -> Vec<Tensor> {
    let [beta1, beta2, epsilon] = [op.beta1, op.beta2, op.epsilon].map(f64::from);
    let step = &inputs[Adam::STEP].data[..];
    let &[
        rate,
        gradient_scale,
        l2,
        decay,
        correction1,
        correction2,
        average,
    ] = step
    else {
        panic!("{} elements of a step", step.len());
    };
    let mut results: Vec<Tensor> = inputs[..4].iter().map(|&tensor| tensor.clone()).collect();
    for i in 0..results[0].data.len() {
        let before = |index: usize| inputs[index].data[i];
        let parameter = before(Adam::PARAMETER);
        let g = before(Adam::GRADIENT) * gradient_scale + l2 * parameter;
        let m = beta1 * before(Adam::M) + (1.0 - beta1) * g;
        let v = beta2 * before(Adam::V) + (1.0 - beta2) * g * g;
        let direction = m / correction1 / ((v / correction2).sqrt() + epsilon);
        let next = parameter - rate * (direction + decay * parameter);
        let mean = average * before(Adam::AVERAGE) + (1.0 - average) * next;
        for (result, value) in results.iter_mut().zip([next, m, v, mean]) {
            result.data[i] = value;
        }
    }
    results
}
