//! The estimate of x_0 that a prediction of the noise implies.

use super::{Rules, expect_operands, expect_shape};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `x0 = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)` with the
/// coefficients of the running step (`diffusion::StepCoefficients`).
///
/// Where eps or x is NaN or infinite, x0 is not clamped, so that the fault
/// reaches the result and is seen there.
///
/// Operands: x, eps, both `[n, c, h, w]`. Result: x0 of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimateX0 {}

impl EstimateX0 {
    pub const X: usize = 0;
    pub const EPS: usize = 1;
}

impl Rules for EstimateX0 {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 2, "x, eps")?;
        expect_shape("eps", inputs[Self::EPS], inputs[Self::X])?;
        Ok(vec![inputs[Self::X]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        5 * inputs[Self::X].elements() as u64
    }
}
