//! The step records of a reverse process.

use super::{SampleOptions, UpscaleError};
use crate::diffusion::{Schedule, StepCoefficients};
use crate::exec::{Place, StepRecord};
use crate::model::Settings;

/// Index of the record for all phases but the steps'.
pub(super) const START: usize = 0;

/// The record at [`START`], then one per step.
pub(super) fn records(
    settings: &Settings,
    sample: &SampleOptions,
) -> Result<Vec<StepRecord>, UpscaleError> {
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let steps = sample.sampler.steps(&schedule, sample.steps)?;
    let keyed = StepRecord {
        seed_low: sample.seed as u32,
        seed_high: (sample.seed >> 32) as u32,
        places: Place::samples(sample.sample),
        ..StepRecord::default()
    };
    // x_T is drawn at step T.
    let start = StepRecord {
        noise_step: settings.timesteps as u32,
        ..keyed
    };
    let steps = steps.into_iter().map(|step| match settings.clip_denoised {
        true => step_record(&step, keyed),
        false => step_record(&step.without_clip(), keyed),
    });
    Ok(std::iter::once(start).chain(steps).collect())
}

/// A step's coefficients, rounded to f32, with the seed and place of `keyed`.
pub fn step_record(step: &StepCoefficients, keyed: StepRecord) -> StepRecord {
    StepRecord {
        noise_step: step.timestep,
        clip: step.clip as f32,
        x0_from_x: step.x0_from_x as f32,
        x0_from_eps: step.x0_from_eps as f32,
        from_x: step.from_x as f32,
        from_x0: step.from_x0 as f32,
        from_previous_x0: step.from_previous_x0 as f32,
        sigma: step.sigma as f32,
        ..keyed
    }
    .at_timestep(step.timestep)
}
