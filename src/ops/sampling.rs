//! The reverse process: noise, the estimate of x_0, the next x, the result.

use super::{Rules, Shape, expect_operands, expect_shape};
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
        expect_operands(inputs, 0, "none")?;
        check_batch(self.shape)?;
        Ok(vec![self.shape])
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        40 * outputs[0].elements() as u64
    }
}

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

/// Where a step's noise comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoiseSource {
    /// Made on the device by the counter-based generator.
    Generated,
    /// Read from one more operand, written by the host before each step.
    Replayed,
}

/// With the coefficients of the running step (`diffusion::StepCoefficients`):
///
/// `x' = from_x * x + from_x0 * x0 + from_previous_x0 * previous + sigma * z`
///
/// DDPM (Ho et al. 2020, eq. 11 with the clamp), DDIM (Song et al. 2021,
/// eq. 12) and DPM-Solver++(2M) (Lu et al. 2022) differ in coefficients only.
/// A term whose coefficient is zero is not read, so what stands there from an
/// earlier run cannot reach the result.
///
/// Operands: x, x0, previous (the x0 of the step before), and z if replayed,
/// all `[n, c, h, w]`. Results: x', which takes the place of x, and x0 in the
/// place of previous.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplerUpdate {
    pub noise: NoiseSource,
}

impl SamplerUpdate {
    pub const X: usize = 0;
    pub const X0: usize = 1;
    pub const PREVIOUS: usize = 2;
    pub const Z: usize = 3;
    pub const KEPT: usize = 1;
}

impl Rules for SamplerUpdate {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let operands = match self.noise {
            NoiseSource::Generated => 3,
            NoiseSource::Replayed => 4,
        };
        expect_operands(inputs, operands, "x, x0, previous, z")?;
        if self.noise == NoiseSource::Generated {
            check_batch(inputs[Self::X])?;
        }
        for &shape in &inputs[1..] {
            expect_shape("every operand", shape, inputs[Self::X])?;
        }
        Ok(vec![inputs[Self::X], inputs[Self::X]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        45 * inputs[Self::X].elements() as u64
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(Self::X, Self::X), (Self::KEPT, Self::PREVIOUS)]
    }
}

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

/// Checks that a step's record has a place for every element of a batch.
pub(super) fn check_batch(shape: Shape) -> Result<(), String> {
    ensure!(
        shape.n <= MAX_BATCH,
        "at most {MAX_BATCH} batch elements can be computed at once, but x is {shape}"
    );
    Ok(())
}
