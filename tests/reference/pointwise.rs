//! Pointwise functions.

use super::Tensor;
use srdiff::ops::{Activation, ActivationGradient};

pub fn activation(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::None => v,
        Activation::LeakyRelu { slope } if v < 0.0 => f64::from(slope) * v,
        Activation::LeakyRelu { .. } => v,
        Activation::Mish => mish(v),
    }
}

/// `v * tanh(ln(1 + exp(v)))`
pub fn mish(v: f64) -> f64 {
    let softplus = if v > 700.0 { v } else { v.exp().ln_1p() };
    v * softplus.tanh()
}

pub fn activation_gradient(op: &ActivationGradient, inputs: &[&Tensor]) -> Tensor {
    let (x, dy) = (
        inputs[ActivationGradient::X],
        inputs[ActivationGradient::DY],
    );
    Tensor::of(x.shape, |n, c, i, j| {
        let slope = match op.activation {
            Activation::None => 1.0,
            Activation::LeakyRelu { .. } if x.at(n, c, i, j) > 0.0 => 1.0,
            Activation::LeakyRelu { slope } => f64::from(slope),
            Activation::Mish => mish_slope(x.at(n, c, i, j)),
        };
        f64::from(op.scale) * slope * dy.at(n, c, i, j)
    })
}

/// With `s = ln(1 + exp(v))`: `tanh(s) + v / (1 + exp(-v)) / cosh(s)^2`.
fn mish_slope(v: f64) -> f64 {
    let softplus = if v > 700.0 { v } else { v.exp().ln_1p() };
    let sigmoid = 1.0 / (1.0 + (-v).exp());
    softplus.tanh() + v * sigmoid / softplus.cosh().powi(2)
}
