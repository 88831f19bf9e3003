//! The reverse process on an executor, step by step.

use super::{UpscaleError, defaults, steps};
use crate::diffusion::{Process, Sampler};
use crate::exec::Executor;
use crate::image::Border;
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
    /// What lies beyond the image's edges; wrapped, the result tiles a plane.
    pub border: Border,
    /// Whether results must shrink to the image itself.
    pub consistent: bool,
    /// Factor of the noise that each step adds, from 0 (smooth) to
    /// [`MOST_STRENGTH`]; 1 is what the sampler asks for.
    pub strength: f64,
    /// Another seed, and how far the noise is on the way to its noise, from 0 to 1.
    /// In between, results change gradually from one seed's to the other's. The same
    /// seed changes nothing.
    pub toward: Option<(u64, f64)>,
}

/// The largest [`SampleOptions::strength`]: from about 1.15 on, noise stays.
pub const MOST_STRENGTH: f64 = 1.25;

impl SampleOptions {
    /// The [defaults] for a model, with a seed.
    pub fn seeded(settings: &Settings, seed: u64) -> Self {
        let Process { sampler, steps } = defaults::process(settings);
        Self {
            sampler,
            steps,
            seed,
            ..Self::default()
        }
    }
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            sampler: defaults::SAMPLER,
            steps: defaults::STEPS,
            seed: 0,
            sample: 0,
            border: Border::Reflected,
            consistent: false,
            strength: 1.0,
            toward: None,
        }
    }
}

impl SampleOptions {
    /// Whether there is work between the phases of a step that the host does.
    pub(super) fn needs_canvas(&self) -> bool {
        self.border == Border::Wrapped || self.consistent || self.other_noise().is_some()
    }

    /// The seed that the noise is on the way to, and the factors of both seeds'
    /// noise. Of one and the same seed, the sum would have another variance.
    pub(super) fn other_noise(&self) -> Option<(u64, [f32; 2])> {
        let (seed, way) = self.toward.filter(|(seed, _)| *seed != self.seed)?;
        // Of unit variance all the way.
        let angle = way * std::f64::consts::FRAC_PI_2;
        Some((seed, [angle.cos() as f32, angle.sin() as f32]))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A kernel is about to be timed, the first time that it is used on this
    /// device; `done` are done.
    Tune { done: usize, total: usize },
    /// The model is about to be loaded for a new size.
    Load,
    /// The image is about to be encoded.
    Image,
    /// `done` is 0 when the first step is about to run. Of an image in tiles,
    /// the steps of all tiles count.
    Step { done: usize, total: usize },
    /// The result is about to be read.
    Finish,
}

/// Called with each progress; [`ControlFlow::Break`] cancels.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Phases that a step runs.
const PHASES: [&str; 2] = [names::PREDICT, names::UPDATE];

/// Runs the steps of the reverse process, at most `in_flight` submits of steps
/// queued on the device when the next is submitted. Where steps are short, one
/// submit has several: first one, so that the device has work at once, then
/// twice as many each time.
pub(super) fn sample_steps(
    executor: &mut dyn Executor,
    total: usize,
    in_flight: usize,
    progress: OnProgress<'_>,
) -> Result<(), UpscaleError> {
    notify(progress, Progress::Step { done: 0, total })?;
    let (mut done, mut submitted, mut group) = (0, 0, 1);
    while done < total {
        let next = total.min(submitted + group);
        let steps = (submitted..next).map(|step| steps::START + 1 + step);
        let runs: Vec<_> = steps
            .flat_map(|record| PHASES.map(|phase| (phase, record)))
            .collect();
        executor.run_all(&runs)?;
        submitted = next;
        let pending = match submitted < total {
            true => in_flight * group,
            false => 0,
        };
        while submitted - done > pending {
            done += 1;
            executor.wait(PHASES.len() * (submitted - done))?;
            notify(progress, Progress::Step { done, total })?;
        }
        group = executor.at_once(&PHASES).min(2 * group);
    }
    Ok(())
}

pub(super) fn notify(progress: OnProgress<'_>, at: Progress) -> Result<(), UpscaleError> {
    match progress(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(UpscaleError::Cancelled),
    }
}
