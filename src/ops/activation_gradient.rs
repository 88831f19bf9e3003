//! The gradient of a pointwise function.

use super::{Activation, Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// `dx = scale * activation'(x) * dy`.
///
/// Of [`Activation::LeakyRelu`], x may be its result: both have one sign.
/// At zero its slope is that of negative numbers, as PyTorch has it.
///
/// Operands: x, dy, both `[n, c, h, w]`. Result: dx of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivationGradient {
    pub activation: Activation,
    pub scale: f32,
}

impl ActivationGradient {
    pub const X: usize = 0;
    pub const DY: usize = 1;
}

impl Rules for ActivationGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 2, "x, dy")?;
        expect_shape("dy", inputs[Self::DY], inputs[Self::X])?;
        Ok(vec![inputs[Self::X]])
    }
}
