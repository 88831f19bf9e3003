//! From x_t to the next x, for every sampler.

use super::noise::check_batch;
use super::{Rules, expect_operands, expect_shape};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

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
