//! One reverse diffusion step, for every sampler.

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
/// `x0 = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)`
/// `x' = from_x * x + from_x0 * x0 + from_previous_x0 * x0_previous + sigma * z`
///
/// DDPM (Ho et al. 2020, eq. 11 with the clamp), DDIM (Song et al. 2021,
/// eq. 12) and DPM-Solver++(2M) (Lu et al. 2022) differ in coefficients only.
/// Where eps or x is NaN or infinite, x0 is what the first line gives without
/// the clamp, so that the fault reaches the result and is seen there.
///
/// The line between the two formulas is the place for anything that corrects
/// the x0 estimate.
///
/// Operands: x, the previous x0, eps, and z if replayed, all `[n, 3, h, w]`.
/// Results: x' and x0, which take the places of x and the previous x0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplerUpdate {
    /// Where z comes from.
    pub noise: NoiseSource,
}

impl SamplerUpdate {
    /// Index of the operand and result x.
    pub const X: usize = 0;
    /// Index of the operand and result x0.
    pub const X0: usize = 1;
    /// Index of the operand eps.
    pub const EPS: usize = 2;
    /// Index of the operand z, if replayed.
    pub const Z: usize = 3;
}

impl Rules for SamplerUpdate {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let operands = match self.noise {
            NoiseSource::Generated => 3,
            NoiseSource::Replayed => 4,
        };
        expect_operands(inputs, operands, "x, previous x0, eps, z")?;
        if self.noise == NoiseSource::Generated {
            check_batch(inputs[Self::X])?;
        }
        for &shape in &inputs[1..] {
            expect_shape("every operand", shape, inputs[Self::X])?;
        }
        Ok(vec![inputs[Self::X], inputs[Self::X]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        50 * inputs[Self::X].elements() as u64
    }
}
