//! Times the kernels of all nodes on a GPU.

mod load;

use super::contest::{Contest, race};
use super::measure::{Loaded, median};
use super::outcome::{Effort, Outcome, Trial, TunedClass};
use super::tasks::{Task, Work, tasks};
use super::{Times, Tuned, Tuning};
use crate::exec::ExecError;
use crate::exec::gpu::kernels::GpuChooser;
use crate::exec::gpu::{AdapterSummary, Gpu};
use crate::plan::{PlanError, Precision, Variant};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Kernels that the device failed with, after which nothing more is tried.
const MOST_FAILURES: usize = 4;

/// Times kernels on a device of its own: what fails there harms no other work.
pub struct Tuner {
    adapter: AdapterSummary,
    precision: Precision,
    effort: Effort,
    /// Bytes of memory that may be used.
    pub memory_limit: Option<u64>,
    gpu: Option<Arc<Gpu>>,
    /// Kernels that the device failed with: they are not tried again.
    failed: Vec<Variant>,
    /// What a test does to kernels.
    #[cfg(test)]
    pub(super) hook: super::tests::Hook,
}

/// What became of the first kernels of a class.
#[derive(Default)]
struct Tried {
    trials: Vec<Trial>,
    /// The first that works.
    first: Option<Variant>,
    /// Of the contest, if there is such a kernel.
    repeats: usize,
    best: f64,
}

impl Tried {
    /// What becomes of the next kernels, up to `end` of all.
    fn give_up(&mut self, task: &Task, end: usize, outcome: &Outcome) {
        let trial = |&variant: &Variant| Trial {
            variant,
            outcome: outcome.clone(),
        };
        let next = &task.variants[self.trials.len()..end];
        self.trials.extend(next.iter().map(trial));
    }
}

/// A contest, and the first kernel that works.
type Begun = (Contest, Option<(Variant, Loaded)>);

/// Why a kernel was given up.
enum Failed {
    Refused(String),
    /// The device must be opened again.
    Device(String),
}

impl From<ExecError> for Failed {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Device { reason, .. } => Self::Device(reason),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl Tuner {
    pub fn new(adapter: &AdapterSummary, precision: Precision, effort: Effort) -> Self {
        Self {
            adapter: adapter.clone(),
            precision,
            effort: Effort {
                rounds: effort.rounds.max(1),
                ..effort
            },
            memory_limit: None,
            gpu: None,
            failed: Vec::new(),
            #[cfg(test)]
            hook: Default::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn effort_mut(&mut self) -> &mut Effort {
        &mut self.effort
    }

    #[cfg(test)]
    pub(super) fn is_software(&self) -> bool {
        self.rule().is_software
    }

    /// Whether the device failed with a kernel. A driver that was reset has
    /// forgotten other work on the device, too.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// The classes that a table says nothing about, with the static rule's
    /// kernels.
    ///
    /// # Errors
    /// When the graphs cannot be planned.
    pub fn missing(&self, work: &[Work], known: &Tuning) -> Result<Tuning, PlanError> {
        let tasks = self.tasks(work, known)?;
        let untimed = |task: Task| {
            let tuned = Tuned {
                variant: task.variants[0],
                times: None,
            };
            (task.class, tuned)
        };
        Ok(tasks.into_iter().map(untimed).collect())
    }

    /// Times the kernels of all classes that a table says nothing about, those
    /// with the most work first. `progress` is told how many kernels are done, of
    /// how many; when it breaks, only classes that are done are returned.
    ///
    /// # Errors
    /// When the graphs cannot be planned.
    pub fn tune(
        &mut self,
        work: &[Work],
        known: &Tuning,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<TunedClass>, PlanError> {
        let started = Instant::now();
        let tasks = self.tasks(work, known)?;
        let total = tasks.iter().map(|task| task.variants.len()).sum();
        let budget = self.effort.budget;
        let is_over = || budget.is_some_and(|budget| started.elapsed() >= budget);
        let ends: &[fn(&Task) -> usize] = match self.effort.kinds_first {
            true => &[|task| task.kinds(), |task| task.variants.len()],
            false => &[|task| task.variants.len()],
        };
        let mut tried: Vec<Tried> = tasks.iter().map(|_| Tried::default()).collect();
        let mut done = 0;
        'all: for end in ends {
            for (task, tried) in tasks.iter().zip(&mut tried) {
                let (start, end) = (tried.trials.len(), end(task));
                let mut is_broken = false;
                let mut goes_on = |at: usize| {
                    is_broken |= progress(done + at - start, total).is_break();
                    !is_broken && !is_over()
                };
                self.try_next(task, end, tried, &mut goes_on);
                if is_broken {
                    tried.trials.clear();
                    break 'all;
                }
                done += end - start;
            }
        }
        let all = tasks.into_iter().zip(tried);
        let is_done = |(task, tried): &(Task, Tried)| tried.trials.len() == task.variants.len();
        let class = |(task, tried): (Task, Tried)| TunedClass {
            class: task.class,
            trials: tried.trials,
        };
        Ok(all.filter(is_done).map(class).collect())
    }

    fn tasks<'a>(&self, work: &'a [Work], known: &Tuning) -> Result<Vec<Task<'a>>, PlanError> {
        let tasks = tasks(work, self.rule(), &self.adapter, known)?;
        #[cfg(test)]
        let tasks = tasks
            .into_iter()
            .map(|mut task| {
                task.variants.truncate(self.hook.most);
                task
            })
            .collect();
        Ok(tasks)
    }

    fn rule(&self) -> GpuChooser {
        GpuChooser::of(&self.adapter, self.precision)
    }

    /// Tries the next kernels of a class, up to `end` of all, each beside the
    /// first that works: the static rule's.
    fn try_next(
        &mut self,
        task: &Task,
        end: usize,
        tried: &mut Tried,
        goes_on: &mut dyn FnMut(usize) -> bool,
    ) {
        let start = tried.trials.len();
        if start == end {
            return;
        }
        let (mut contest, mut first) = match goes_on(start) {
            true => match self.begin(task, tried) {
                Ok(begun) => begun,
                Err(outcome) => return tried.give_up(task, end, &outcome),
            },
            false => return tried.give_up(task, end, &Outcome::Untimed),
        };
        let mut compiled = start;
        for (at, &variant) in task.variants.iter().enumerate().take(end).skip(start) {
            if !goes_on(at) || self.failed.len() >= MOST_FAILURES {
                tried.give_up(task, end, &Outcome::Untimed);
                break;
            }
            if at == compiled {
                // The static rule's alone: some drivers take seconds for a shader,
                // and no time may be left for others.
                let most = match at {
                    0 => 1,
                    _ => rayon::current_num_threads(),
                };
                let batch = &task.variants[at..end.min(at + most)];
                if !self.compile_all(batch, &contest) {
                    self.reopen(&contest, &mut first);
                }
                compiled += batch.len();
            }
            if let Some(reason) = self.gives_up(variant) {
                let outcome = Outcome::Refused(reason.to_owned());
                tried.trials.push(Trial { variant, outcome });
                continue;
            }
            let result = self.try_one(variant, &mut contest, &mut first);
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(Failed::Refused(reason)) => Outcome::Refused(in_one_line(&reason)),
                Err(Failed::Device(reason)) => {
                    self.failed.push(variant);
                    self.reopen(&contest, &mut first);
                    Outcome::Refused(in_one_line(&reason))
                }
            };
            tried.trials.push(Trial { variant, outcome });
        }
        tried.first = first.map(|(variant, _)| variant);
        (tried.repeats, tried.best) = (contest.repeats, contest.best);
    }

    /// What the kernels of a class are tried on, and the first that works, if that
    /// is known. Else what becomes of the kernels.
    fn begin(&mut self, task: &Task, tried: &Tried) -> Result<Begun, Outcome> {
        // Made again for the rest of a class: the images and results of all classes
        // together would take gigabytes meanwhile.
        let mut contest = Contest::new(task).map_err(Outcome::Refused)?;
        let Some(variant) = tried.first else {
            return Ok((contest, None));
        };
        (contest.repeats, contest.best) = (tried.repeats, tried.best);
        match self.load(&contest, variant) {
            Ok(loaded) => Ok((contest, Some((variant, loaded)))),
            Err(Failed::Refused(reason)) => Err(Outcome::Refused(in_one_line(&reason))),
            Err(Failed::Device(_)) => {
                self.failed.push(variant);
                self.gpu = None;
                Err(Outcome::Untimed)
            }
        }
    }

    /// Gives up the device, and loads on another what is lost with it.
    fn reopen(&mut self, contest: &Contest, first: &mut Option<(Variant, Loaded)>) {
        self.gpu = None;
        if let Some((lost, _)) = first.take() {
            let again = self.load(contest, lost);
            *first = again.ok().map(|loaded| (lost, loaded));
        }
    }

    fn try_one(
        &mut self,
        variant: Variant,
        contest: &mut Contest,
        first: &mut Option<(Variant, Loaded)>,
    ) -> Result<Outcome, Failed> {
        let mut loaded = self.load(contest, variant)?;
        if let (Some((_, base)), false) = (&mut *first, self.effort.tests_all) {
            let times = race(base, &mut loaded, 2)?;
            if times.ratio() >= contest.best {
                return Ok(Outcome::Slower(times));
            }
        }
        let mut odd = self.load_graph(&contest.odd, variant, 1)?;
        let checked = contest
            .odd_reference
            .check(&mut odd.executor, self.precision);
        self.trusted(checked)?;
        drop(odd);
        let checked = contest
            .reference
            .check(&mut loaded.executor, self.precision);
        self.trusted(checked)?;
        let Some((_, base)) = first else {
            let times = self.measure_first(variant, contest, loaded, first)?;
            return Ok(Outcome::Timed(times));
        };
        let times = race(base, &mut loaded, self.effort.rounds)?;
        // A race between invocations may not show in the first run.
        let again = contest
            .reference
            .check_again(&mut loaded.executor, self.precision);
        self.trusted(again)?;
        contest.best = contest.best.min(times.ratio());
        Ok(Outcome::Timed(times))
    }

    /// Times the kernel that others are compared with, and keeps it loaded.
    fn measure_first(
        &mut self,
        variant: Variant,
        contest: &mut Contest,
        mut loaded: Loaded,
        first: &mut Option<(Variant, Loaded)>,
    ) -> Result<Times, Failed> {
        // It tells how many runs are worth measuring.
        let time = loaded.time()?.min(loaded.time()?).max(1e-3);
        let repeats = (self.effort.length.as_secs_f64() * 1e6 / time) as usize;
        contest.repeats = repeats.clamp(1, 64);
        if contest.repeats > 1 {
            loaded = self.load(contest, variant)?;
        }
        let times = (0..self.effort.rounds).map(|_| loaded.time());
        let median = median(&times.collect::<Result<Vec<f64>, _>>()?);
        *first = Some((variant, loaded));
        Ok(Times {
            microseconds: median,
            static_microseconds: median,
        })
    }

    /// What a kernel failed at when its results were held against the CPU's.
    fn trusted(&self, checked: Result<Result<(), String>, ExecError>) -> Result<(), Failed> {
        let checked = checked?;
        #[cfg(test)]
        let checked = checked.or_else(|wrong| match self.hook.trusts {
            true => Ok(()),
            false => Err(wrong),
        });
        checked.map_err(Failed::Refused)
    }
}

/// The beginning of what a driver said.
fn in_one_line(reason: &str) -> String {
    const MOST: usize = 200;
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
