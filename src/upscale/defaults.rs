//! What is done when nothing is asked for.
//!
//! To be chosen from measurement: `srdiff evaluate` prints the table of
//! samplers and steps against quality and time that these values come from.

use crate::diffusion::Sampler;

/// The sampler.
pub const SAMPLER: Sampler = Sampler::DpmSolverPlusPlus2M;

/// Steps of the reverse process; fewer when the model's schedule is shorter.
pub const STEPS: usize = 20;
