//! Gaussian noise, the start of the reverse process.

use super::Rules;
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `x_T ~ N(0, I)`: fills the result with the field of the running step
/// (`diffusion::noise`), which depends on seed, sample, step, channel and
/// absolute pixel position alone.
///
/// No operands. Result: x of the shape given here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Shape of the field.
    pub shape: Shape,
}

impl Rules for Noise {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        super::expect_operands(inputs, 0, "none")?;
        Ok(vec![self.shape])
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        40 * outputs[0].elements() as u64
    }
}
