//! Losses and their gradients.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::{Loss, Norm};

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
