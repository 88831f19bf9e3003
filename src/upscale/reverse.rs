//! The reverse process on an executor, step by step.

use super::{UpscaleError, defaults, steps};
use crate::diffusion::Sampler;
use crate::exec::Executor;
use crate::model::{Settings, names};
use std::ops::ControlFlow;

/// How a picture is made from noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions {
    /// The sampler.
    pub sampler: Sampler,
    /// Steps, from 1 to the timesteps of the model's schedule.
    pub steps: usize,
    /// The seed of all noise: the same seed, the same picture.
    pub seed: u64,
    /// Which of the many samples that a seed has.
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

/// How far an upscale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The model is about to be loaded for a new size.
    Load,
    /// The picture is about to be encoded.
    Image,
    /// Steps that are done.
    Step {
        /// How many, from 0 (the first is about to run).
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// The result is about to be read.
    Finish,
}

/// Told of progress; [`ControlFlow::Break`] cancels.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Runs the steps of the reverse process, at most `in_flight` of them before
/// the device while the next is asked for.
pub(super) fn sample_steps(
    executor: &mut dyn Executor,
    total: usize,
    in_flight: usize,
    progress: OnProgress<'_>,
) -> Result<(), UpscaleError> {
    notify(progress, Progress::Step { done: 0, total })?;
    for step in 0..total {
        run(executor, names::STEP, steps::START + 1 + step)?;
        executor.wait(in_flight)?;
        let done = (step + 1).saturating_sub(in_flight);
        if done > 0 {
            notify(progress, Progress::Step { done, total })?;
        }
    }
    for pending in (0..in_flight.min(total)).rev() {
        executor.wait(pending)?;
        let done = total - pending;
        notify(progress, Progress::Step { done, total })?;
    }
    Ok(())
}

/// Runs a phase.
pub(super) fn run(
    executor: &mut dyn Executor,
    phase: &str,
    record: usize,
) -> Result<(), UpscaleError> {
    let index = executor.program().phase(phase);
    let index = index.unwrap_or_else(|| panic!("the program has no phase '{phase}'"));
    Ok(executor.run(index, record)?)
}

/// Reports progress, and stops where that is the answer.
pub(super) fn notify(progress: OnProgress<'_>, at: Progress) -> Result<(), UpscaleError> {
    match progress(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(UpscaleError::Cancelled),
    }
}
