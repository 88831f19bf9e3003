//! The reverse process on an executor, step by step.

use super::progress::{OnProgress, Progress, notify};
use super::{UpscaleError, steps};
use crate::exec::Executor;
use crate::model::names;

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
