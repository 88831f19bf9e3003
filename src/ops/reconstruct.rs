//! The end of the reverse process: the residual on top of the enlargement.

use super::{Rules, expect_operands, expect_shape};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `sr = clamp(x, -1, 1) / res_rescale + up`; NaN and infinities of x stay,
/// so that they are seen in the result.
///
/// Operands: x `[n, 3, h, w]`, up of the same shape. Result: sr.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconstruct {
    /// What residuals were multiplied with in training.
    pub res_rescale: f32,
}

impl Rules for Reconstruct {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 2, "x, up")?;
        expect_shape("up", inputs[1], inputs[0])?;
        Ok(vec![inputs[0]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        4 * inputs[0].elements() as u64
    }
}
