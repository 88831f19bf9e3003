//! Gaussian noise, the start of the reverse process.

use super::Rules;
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// Batch elements that can be computed at once. Each has a place of its own in
/// the noise, and a step's record is to stay within the 256 bytes that uniform
/// structs lie apart.
pub const MAX_BATCH: usize = 12;

/// `x_T ~ N(0, I)`: fills the result with the field of the running step
/// (`diffusion::noise`), which depends on seed, sample, step, channel and
/// absolute pixel position alone; the step's record has sample and position of
/// each batch element, [`MAX_BATCH`] at most.
///
/// No operands. Result: x of the shape given here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    pub shape: Shape,
}

impl Rules for Noise {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        super::expect_operands(inputs, 0, "none")?;
        check_batch(self.shape)?;
        Ok(vec![self.shape])
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        40 * outputs[0].elements() as u64
    }
}

/// Checks that a step's record has a place for every element of a batch.
pub(super) fn check_batch(shape: Shape) -> Result<(), String> {
    if shape.n <= MAX_BATCH {
        Ok(())
    } else {
        Err(format!(
            "at most {MAX_BATCH} batch elements can be computed at once, but x is {shape}"
        ))
    }
}
