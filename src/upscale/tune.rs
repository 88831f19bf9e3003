//! Timing the kernels of a model's programs.

use super::device::Device;
use super::graphs::graphs;
use super::progress::{OnProgress, Progress};
use super::tiling::Tiling;
use super::{UpscaleError, Upscaler, defaults};
use crate::exec::gpu::tuning::{Effort, Outcome, Trial, TunedClass, Tuner, Tuning, Work};
use crate::exec::gpu::{AdapterKind, AdapterSummary};
use crate::graph::fuse;
use crate::model::names;
use std::time::{Duration, Instant};

impl Upscaler {
    /// Times the kernels of a tile that were not timed before, where the
    /// options allow it. Whether any were.
    pub(super) fn tune_first_use(
        &mut self,
        tile: [usize; 2],
        steps: usize,
        progress: OnProgress<'_>,
    ) -> Result<bool, UpscaleError> {
        let budget = self.tuned.budget;
        let Device::Gpu(adapter) = self.selected().device.clone() else {
            return Ok(false);
        };
        if budget.is_zero() || adapter.kind == AdapterKind::Software {
            return Ok(false);
        }
        let work = self.work(tile, steps)?;
        let started = Instant::now();
        let mut is_cancelled = false;
        let mut tuner = self.tuner(&adapter, Effort::within(budget));
        let missing = tuner.missing(&work, self.tuned.table())?;
        if missing.is_empty() {
            return Ok(false);
        }
        self.tuned.begin(&adapter, &missing);
        let found = tuner.tune(&work, self.tuned.table(), &mut |done, total| {
            let flow = progress(Progress::Tune { done, total });
            is_cancelled |= flow.is_break();
            flow
        })?;
        let time = started.elapsed();
        self.tuned.budget = budget.saturating_sub(time);
        self.tuned.add(&adapter, &missing, &found);
        if !found.is_empty() {
            self.tuned.note(describe(&found, &adapter, time));
        }
        if tuner.has_failed() {
            self.open_again()?;
        }
        match is_cancelled {
            true => Err(UpscaleError::Cancelled),
            false => Ok(!found.is_empty()),
        }
    }

    /// Times all kernels for images of these widths and heights, whether they
    /// were timed before or not, and keeps what was found. Software adapters
    /// are timed, too. If `progress` breaks, what was timed so far is kept.
    ///
    /// # Errors
    /// When the device is the CPU, which has nothing to time, or the model's
    /// graph cannot be planned.
    pub fn tune(
        &mut self,
        sizes: &[[usize; 2]],
        effort: Effort,
        progress: OnProgress<'_>,
    ) -> Result<Vec<TunedClass>, UpscaleError> {
        let Device::Gpu(adapter) = self.selected().device.clone() else {
            return Err(UpscaleError::NothingToTune(
                self.selected().device.to_string(),
            ));
        };
        let mut work = Vec::new();
        for &size in sizes {
            let tile = Tiling::whole(self.model().settings(), size).tile();
            work.extend(self.work(tile, defaults::STEPS)?);
        }
        self.unload();
        let mut tuner = self.tuner(&adapter, effort);
        let mut on_progress = |done, total| progress(Progress::Tune { done, total });
        let found = tuner.tune(&work, &Tuning::default(), &mut on_progress)?;
        self.tuned.add(&adapter, &Tuning::default(), &found);
        if tuner.has_failed() {
            self.open_again()?;
        }
        Ok(found)
    }

    fn tuner(&self, adapter: &AdapterSummary, effort: Effort) -> Tuner {
        let mut tuner = Tuner::new(adapter, self.precision(), effort);
        tuner.memory_limit = self.memory_limit();
        tuner
    }

    /// What is run for a tile, and how often.
    fn work(&self, tile: [usize; 2], steps: usize) -> Result<Vec<Work>, UpscaleError> {
        let graphs = graphs(self.model().settings(), tile)?;
        let work = graphs.iter().map(|graph| {
            let is_step = [names::PREDICT, names::UPDATE].contains(&graph.name.as_str());
            Work {
                graph: fuse(graph),
                runs: if is_step { steps as u64 } else { 1 },
            }
        });
        Ok(work.collect())
    }
}

/// What was found, in a sentence.
fn describe(found: &[TunedClass], adapter: &AdapterSummary, time: Duration) -> String {
    let trials = || found.iter().flat_map(|class| &class.trials);
    let is_refused = |trial: &&Trial| matches!(trial.outcome, Outcome::Refused(_));
    let (all, timed) = (found.len(), found.iter().map(TunedClass::chosen));
    let timed = timed.filter(|chosen| chosen.times.is_some()).count();
    let better = found
        .iter()
        .filter(|class| class.chosen().variant != class.trials[0].variant);
    let mut text = format!(
        "timed the kernels of {timed} of {all} kinds of nodes on {} in {:.1} s; for {} there is a faster one than usual",
        adapter.name,
        time.as_secs_f64(),
        better.count()
    );
    match trials().filter(is_refused).count() {
        0 => {}
        count => text += &format!("; {count} gave wrong results or failed, and are not used"),
    }
    text
}

#[cfg(test)]
mod tests;
