//! Default sampling options, chosen from the measurements in `docs/samplers.md`.

use crate::diffusion::{Process, Sampler};
use crate::model::Settings;

/// The sampler of models that were not distilled.
pub const SAMPLER: Sampler = Sampler::Ddpm;

/// Fewer if the model has fewer timesteps.
pub const STEPS: usize = 5;

/// What a model was distilled for, or the sampler and steps above.
pub fn process(settings: &Settings) -> Process {
    settings.distilled.unwrap_or(Process {
        sampler: SAMPLER,
        steps: STEPS.min(settings.timesteps),
    })
}
