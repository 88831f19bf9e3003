//! What is done when nothing is asked for.
//!
//! Chosen from measurement, the table of `docs/samplers.md`.

use crate::diffusion::Sampler;

/// The sampler.
pub const SAMPLER: Sampler = Sampler::Ddpm;

/// Steps of the reverse process; fewer when the model's schedule is shorter.
pub const STEPS: usize = 5;
