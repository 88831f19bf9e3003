//! Default sampling options, chosen from the measurements in `docs/samplers.md`.

use crate::diffusion::Sampler;

pub const SAMPLER: Sampler = Sampler::Ddpm;

/// Fewer if the model has fewer timesteps.
pub const STEPS: usize = 5;
