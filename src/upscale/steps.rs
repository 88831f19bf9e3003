//! The step records of a reverse process.

use super::sample_options::MOST_STRENGTH;
use super::tiling::MARGIN;
use super::{SampleOptions, UpscaleError};
use crate::diffusion::{Schedule, StepCoefficients, start_deviation};
use crate::exec::{Place, StepRecord};
use crate::model::Settings;

/// Index of the record for all phases but the steps'.
pub(super) const START: usize = 0;

/// The record at [`START`], then one per step.
pub(super) fn records(
    settings: &Settings,
    sample: &SampleOptions,
) -> Result<Vec<StepRecord>, UpscaleError> {
    Ok(records_from(settings, sample, 1.0)?.0)
}

/// As [`records`], of the last part of the process alone, `amount` of it. Also
/// gives how much of x_0 and of noise there is where it starts.
pub(super) fn records_from(
    settings: &Settings,
    sample: &SampleOptions,
    amount: f64,
) -> Result<(Vec<StepRecord>, [f32; 2]), UpscaleError> {
    if !(amount > 0.0 && amount <= 1.0) {
        return Err(UpscaleError::Option {
            name: "amount",
            value: amount,
            choose: "a number above 0, at most 1".to_owned(),
        });
    }
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let all = sample.sampler.steps(&schedule, sample.steps)?;
    let kept = kept_steps(all.len(), amount);
    let visited = all[all.len() - kept..]
        .iter()
        .map(|step| step.timestep as usize);
    let visited: Vec<usize> = visited.collect();
    let steps = sample.sampler.steps_at(&schedule, &visited)?;
    let signal = schedule.alphas_cumprod()[visited[0]];
    let parts = [signal.sqrt() as f32, (1.0 - signal).sqrt() as f32];
    let margin = (-((MARGIN * settings.scale) as i32)) as u32;
    let keyed = StepRecord {
        places: Place::samples(sample.sample).map(|place| Place {
            // The image's own first pixel is at 0.
            x: margin,
            y: margin,
            ..place
        }),
        ..StepRecord::default()
    }
    .with_seed(sample.seed);
    // x_T is drawn at step T, and multiplied by `sigma`.
    let start = StepRecord {
        noise_step: settings.timesteps as u32,
        sigma: start_deviation(signal) as f32,
        ..keyed
    };
    if !(0.0..=MOST_STRENGTH).contains(&sample.strength) {
        return Err(UpscaleError::Option {
            name: "strength",
            value: sample.strength,
            choose: format!("a number from 0 to {MOST_STRENGTH}"),
        });
    }
    if let Some((_, way)) = sample.toward
        && !(0.0..=1.0).contains(&way)
    {
        return Err(UpscaleError::Option {
            name: "toward",
            value: way,
            choose: "a number from 0 to 1".to_owned(),
        });
    }
    let steps = steps.into_iter().map(|step| StepCoefficients {
        sigma: step.sigma * sample.strength,
        ..step
    });
    let steps = steps.map(|step| record_of(settings, &step, keyed));
    Ok((std::iter::once(start).chain(steps).collect(), parts))
}

/// How many of a process's steps are run, at least one, when `amount` of it is, from
/// above 0 to 1, as in [`Upscaler::blend`](super::Upscaler::blend).
pub fn kept_steps(steps: usize, amount: f64) -> usize {
    ((steps as f64 * amount).round() as usize).max(1)
}

/// As [`step_record`], with the clamp of x_0 that the model was trained for.
pub(crate) fn record_of(
    settings: &Settings,
    step: &StepCoefficients,
    keyed: StepRecord,
) -> StepRecord {
    match settings.clip_denoised {
        true => step_record(step, keyed),
        false => step_record(&step.without_clip(), keyed),
    }
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
