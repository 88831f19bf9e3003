//! Pointwise functions.

use srdiff::ops::Activation;

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
