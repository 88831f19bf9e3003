//! The noise schedule of a checkpoint, recognised by its `betas`.

use safetensors::Dtype;

use super::{ConvertOptions, ConvertProblem, Result};
use crate::diffusion::{BetaSchedule, Schedule};

/// Timesteps of the published models.
pub const TIMESTEPS: usize = 100;

/// How a model's noise schedule came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleSource {
    /// The checkpoint's `betas` are those of a known schedule.
    Recognised,
    /// From the options; the checkpoint has no `betas`, or the same ones.
    Given,
    /// From the options; the checkpoint has other `betas`.
    GivenAgainstBetas,
    /// From the `config` of a model file.
    Stated,
    /// The published models' (cosine): there are no `betas`, and the options
    /// give no schedule.
    Assumed,
}

/// A checkpoint's `betas`, and the number format that rounded them.
pub struct Betas {
    pub values: Vec<f64>,
    pub dtype: Dtype,
}

impl Betas {
    fn are_of(&self, schedule: &BetaSchedule) -> bool {
        let rounding = match self.dtype {
            Dtype::F16 => 1.0 / 2048.0,
            Dtype::BF16 => 1.0 / 256.0,
            // Some trainers compute them in f32.
            _ => 1e-6,
        };
        Schedule::new(schedule, self.values.len()).is_ok_and(|schedule| {
            let mut pairs = schedule.betas().iter().zip(&self.values);
            pairs.all(|(beta, found)| (beta - found).abs() <= beta * rounding + 2e-7)
        })
    }

    fn recognise(&self) -> Option<BetaSchedule> {
        let known = [BetaSchedule::COSINE, BetaSchedule::LINEAR].into_iter();
        let mut candidates = known.chain(self.line());
        candidates.find(|schedule| self.are_of(schedule))
    }

    /// The linear schedule through the first beta and the last but one; such
    /// schedules replace the last.
    fn line(&self) -> Option<BetaSchedule> {
        let &[start, .., last_but_one, _] = self.values.as_slice() else {
            return None;
        };
        let steps = self.values.len() as f64 - 1.0;
        let end = start + (last_but_one - start) * steps / (steps - 1.0);
        Some(BetaSchedule::Linear {
            start: round(start),
            end: round(end),
        })
    }
}

/// Rounds to six digits, fewer than f32 keeps, to find the intended number.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The schedule, its number of timesteps, and the source of both.
pub fn choose(
    betas: Option<&Betas>,
    options: &ConvertOptions,
) -> Result<(BetaSchedule, usize, ScheduleSource)> {
    let timesteps = match (options.timesteps, betas) {
        (Some(given), Some(betas)) if given != betas.values.len() => {
            return Err(ConvertProblem::Timesteps {
                given,
                found: betas.values.len(),
            });
        }
        (_, Some(betas)) => betas.values.len(),
        (given, None) => given.unwrap_or(TIMESTEPS),
    };
    let (schedule, source) = match (&options.schedule, betas) {
        (Some(given), Some(betas)) if !betas.are_of(given) => {
            (given.clone(), ScheduleSource::GivenAgainstBetas)
        }
        (Some(given), _) => (given.clone(), ScheduleSource::Given),
        (None, Some(betas)) => {
            let unknown = ConvertProblem::ScheduleUnknown(timesteps);
            let schedule = betas.recognise().ok_or(unknown)?;
            (schedule, ScheduleSource::Recognised)
        }
        (None, None) => (BetaSchedule::COSINE, ScheduleSource::Assumed),
    };
    Ok((schedule, timesteps, source))
}
