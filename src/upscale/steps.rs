//! The reverse process as records for an executor.

use super::SampleOptions;
use super::UpscaleError;
use crate::diffusion::{Schedule, StepCoefficients};
use crate::exec::StepRecord;
use crate::model::Settings;

/// Record of everything before the first step: x_T is drawn at step T.
pub(super) const START: usize = 0;

/// The records of a reverse process: [`START`], then one a step.
///
/// # Errors
/// When the sampler or the number of steps does not fit the model.
pub(super) fn records(
    settings: &Settings,
    sample: &SampleOptions,
) -> Result<Vec<StepRecord>, UpscaleError> {
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let steps = sample.sampler.steps(&schedule, sample.steps)?;
    let keyed = StepRecord {
        seed_low: sample.seed as u32,
        seed_high: (sample.seed >> 32) as u32,
        sample: sample.sample,
        ..StepRecord::default()
    };
    let start = StepRecord {
        noise_step: settings.timesteps as u32,
        ..keyed
    };
    let steps = steps.into_iter().map(|step| {
        let step = if settings.clip_denoised {
            step
        } else {
            step.without_clip()
        };
        step_record(&step, keyed)
    });
    Ok(std::iter::once(start).chain(steps).collect())
}

/// A step's coefficients, rounded to f32, with the seed and place of `keyed`.
pub fn step_record(step: &StepCoefficients, keyed: StepRecord) -> StepRecord {
    StepRecord {
        table_row: step.timestep,
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::Sampler;
    use crate::model::Model;

    fn sample(steps: usize) -> SampleOptions {
        SampleOptions {
            sampler: Sampler::Ddpm,
            steps,
            seed: 0x0123_4567_89ab_cdef,
            sample: 7,
        }
    }

    #[test]
    fn records_carry_timestep_seed_and_sample() {
        let settings = Model::starter().settings().clone();
        let records = records(&settings, &sample(10)).unwrap();
        assert_eq!(records.len(), 11);
        assert_eq!(records[START].noise_step as usize, settings.timesteps);
        for record in &records {
            assert_eq!(record.seed_low, 0x89ab_cdef);
            assert_eq!(record.seed_high, 0x0123_4567);
            assert_eq!(record.sample, 7);
        }
        let first = records[1];
        assert_eq!(first.table_row as usize, settings.timesteps - 1);
        assert_eq!(first.noise_step, first.table_row);
        let last = records[10];
        assert_eq!((last.table_row, last.sigma, last.from_x0), (0, 0.0, 1.0));
        assert!(records[1..].iter().all(|record| record.clip == 1.0));
    }

    #[test]
    fn clipping_follows_the_settings() {
        let mut settings = Model::starter().settings().clone();
        settings.clip_denoised = false;
        let records = records(&settings, &sample(3)).unwrap();
        assert!(records[1..].iter().all(|record| record.clip == f32::MAX));
    }

    #[test]
    fn steps_out_of_range_are_refused() {
        let settings = Model::starter().settings().clone();
        for steps in [0, settings.timesteps + 1] {
            let error = records(&settings, &sample(steps)).unwrap_err();
            assert!(matches!(error, UpscaleError::Sampler(_)));
        }
    }
}
