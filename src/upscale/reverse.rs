//! The reverse process on an executor, step by step.

use super::{UpscaleError, defaults, steps};
use crate::diffusion::Sampler;
use crate::exec::Executor;
use crate::model::{Settings, names};
use std::ops::ControlFlow;

/// How the reverse process runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions {
    pub sampler: Sampler,
    /// Steps, from 1 to the timesteps of the model's schedule.
    pub steps: usize,
    /// The same seed gives the same result.
    pub seed: u64,
    /// Index of the result among those of one seed.
    pub sample: u32,
}

impl SampleOptions {
    /// The [defaults] for a model, with a seed.
    pub fn seeded(settings: &Settings, seed: u64) -> Self {
        Self {
            sampler: defaults::SAMPLER,
            steps: defaults::STEPS.min(settings.timesteps),
            seed,
            sample: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The model is about to be loaded for a new size.
    Load,
    /// The image is about to be encoded.
    Image,
    /// `done` is 0 when the first step is about to run.
    Step { done: usize, total: usize },
    /// The result is about to be read.
    Finish,
}

/// Called with each progress; [`ControlFlow::Break`] cancels.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Phases that a step runs.
const RUNS: usize = 2;

/// Runs the steps of the reverse process, at most `in_flight` of them queued on
/// the device when the next is submitted.
pub(super) fn sample_steps(
    executor: &mut dyn Executor,
    total: usize,
    in_flight: usize,
    progress: OnProgress<'_>,
) -> Result<(), UpscaleError> {
    notify(progress, Progress::Step { done: 0, total })?;
    for step in 0..total {
        let record = steps::START + 1 + step;
        executor.run(names::PREDICT, record)?;
        executor.run(names::UPDATE, record)?;
        executor.wait(RUNS * in_flight)?;
        let done = (step + 1).saturating_sub(in_flight);
        if done > 0 {
            notify(progress, Progress::Step { done, total })?;
        }
    }
    for pending in (0..in_flight.min(total)).rev() {
        executor.wait(RUNS * pending)?;
        let done = total - pending;
        notify(progress, Progress::Step { done, total })?;
    }
    Ok(())
}

pub(super) fn notify(progress: OnProgress<'_>, at: Progress) -> Result<(), UpscaleError> {
    match progress(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(UpscaleError::Cancelled),
    }
}
