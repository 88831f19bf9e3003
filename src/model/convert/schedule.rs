//! The noise schedule of a checkpoint, told from its `betas`.

use super::{ConvertOptions, ConvertProblem, element::Element};
use crate::diffusion::{BetaSchedule, Schedule};

/// Timesteps of the published models.
pub const TIMESTEPS: usize = 100;

/// How a model's noise schedule came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleSource {
    /// The checkpoint's `betas` are those of a known schedule.
    Recognised,
    /// It was given in the options, and the checkpoint has no `betas` or the
    /// same ones.
    Given,
    /// It was given in the options, and the checkpoint has other `betas`.
    GivenAgainstBetas,
    /// The checkpoint has no `betas` and none was given: the published
    /// models' (cosine) was taken.
    Assumed,
}

/// A checkpoint's `betas` and the format it keeps them in.
pub struct Betas {
    pub values: Vec<f64>,
    pub element: Element,
}

impl Betas {
    /// Are these the betas of `schedule`, up to rounding?
    fn are_of(&self, schedule: &BetaSchedule) -> bool {
        let rounding = match self.element {
            Element::F16 => 1.0 / 2048.0,
            Element::Bf16 => 1.0 / 256.0,
            // Some trainers compute them in f32.
            _ => 1e-6,
        };
        Schedule::new(schedule, self.values.len()).is_ok_and(|schedule| {
            schedule
                .betas()
                .iter()
                .zip(&self.values)
                .all(|(beta, found)| (beta - found).abs() <= beta * rounding + 2e-7)
        })
    }

    fn recognise(&self) -> Option<BetaSchedule> {
        [BetaSchedule::COSINE, BetaSchedule::LINEAR]
            .into_iter()
            .chain(self.line())
            .find(|schedule| self.are_of(schedule))
    }

    /// The linear schedule through the first beta and the last but one, the
    /// last being replaced in such schedules.
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

/// Rounds to six digits, fewer than f32 keeps, to find the number meant.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The schedule, its number of timesteps, and where they are from.
pub fn choose(
    betas: Option<&Betas>,
    options: &ConvertOptions,
) -> Result<(BetaSchedule, usize, ScheduleSource), ConvertProblem> {
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
            let schedule = betas
                .recognise()
                .ok_or(ConvertProblem::ScheduleUnknown(timesteps))?;
            (schedule, ScheduleSource::Recognised)
        }
        (None, None) => (BetaSchedule::COSINE, ScheduleSource::Assumed),
    };
    Ok((schedule, timesteps, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn betas(schedule: &BetaSchedule, timesteps: usize, element: Element) -> Betas {
        let schedule = Schedule::new(schedule, timesteps).unwrap();
        let round = |&beta: &f64| match element {
            Element::F64 => beta,
            Element::F16 => half::f16::from_f64(beta).to_f64(),
            Element::Bf16 => half::bf16::from_f64(beta).to_f64(),
            _ => f64::from(beta as f32),
        };
        let values = schedule.betas().iter().map(round).collect();
        Betas { values, element }
    }

    #[test]
    fn schedules_are_recognised_in_every_format() {
        let cosine = BetaSchedule::Cosine { s: 0.008 };
        let linear = BetaSchedule::Linear {
            start: 1e-4,
            end: 0.02,
        };
        for schedule in [cosine, linear] {
            for timesteps in [3, 50, 100, 1000] {
                for element in [Element::F64, Element::F32, Element::F16, Element::Bf16] {
                    let found = betas(&schedule, timesteps, element).recognise();
                    assert_eq!(found.as_ref(), Some(&schedule), "{timesteps} {element:?}");
                }
            }
        }
    }

    #[test]
    fn the_ends_of_another_line_are_found() {
        for (start, end) in [(1e-4, 0.06), (1e-3, 0.01), (5e-4, 0.5)] {
            let schedule = BetaSchedule::Linear { start, end };
            let found = betas(&schedule, 100, Element::F32).recognise();
            assert_eq!(found, Some(schedule));
        }
    }

    #[test]
    fn other_betas_are_not_recognised() {
        let cosine = BetaSchedule::Cosine { s: 0.008 };
        let mut bent = betas(&cosine, 100, Element::F32);
        bent.values[40] *= 1.0001;
        assert_eq!(bent.recognise(), None);
        let other = betas(&BetaSchedule::Cosine { s: 0.01 }, 100, Element::F32);
        assert_eq!(other.recognise(), None);
        let none = Betas {
            values: Vec::new(),
            element: Element::F32,
        };
        assert_eq!(none.recognise(), None);
    }
}
