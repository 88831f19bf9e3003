//! What the user is told: lines, JSON, counts, progress.

mod line;
mod made;

pub use made::{Kind, Made};

use super::jobs::Job;
use crate::cli::failure::Failure;
use crate::cli::progress::{BatchBar, StepBar};
use crate::cli::terminal::{self, STDOUT};
use line::{ErrorLine, Line};
use srdiff::upscale::{Progress, SampleOptions};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether one image was named and nothing else.
    pub is_single: bool,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
}

/// Counts and tells. Threads share it.
pub struct Report {
    style: Style,
    sample: SampleOptions,
    /// Of each image, without their mean and deviation.
    results: usize,
    bar: Bar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    skipped: usize,
    failed: usize,
    /// The failure of the only image, which ends the command.
    failure: Option<Failure>,
    /// Standard output failed.
    stdout: Option<Failure>,
}

/// The display of progress.
pub enum Bar {
    /// Of one upscale.
    One(StepBar),
    Many(BatchBar),
}

impl Report {
    /// Each image has so many results, besides their mean and deviation.
    pub fn new(style: Style, sample: SampleOptions, results: u32, bar: Bar) -> Self {
        Self {
            style,
            sample,
            results: results as usize,
            bar,
            state: Mutex::default(),
        }
    }

    /// A line that is not about one image.
    pub fn say(&self, line: &str) {
        if !self.style.quiet {
            self.above_bar(|| terminal::status(line));
        }
    }

    /// An image that has all its results from before.
    pub fn skipped(&self, job: &Job) {
        self.state().skipped += 1;
        for number in job.results() {
            self.is_there(job, number);
        }
    }

    /// Other forms in which an image was named, for scripts that wait for these.
    pub fn named_again(&self, job: &Job) {
        let note = format!("is {}, which was named before", job.input.shown());
        for path in &job.again {
            self.json(Line {
                input: path.display().to_string(),
                output: None,
                status: "skipped",
                notes: std::slice::from_ref(&note),
                ..self.line(job, 0)
            });
        }
    }

    /// The results that an image has from before.
    pub fn partly_there(&self, job: &Job) {
        for number in job.results().filter(|&number| job.is_there(number)) {
            self.is_there(job, number);
        }
    }

    /// A result that another run has written meanwhile.
    pub fn appeared(&self, job: &Job, number: usize) {
        self.settle(job);
        self.is_there(job, number);
    }

    fn is_there(&self, job: &Job, number: usize) {
        if self.style.verbose {
            let output = output_of(job, number);
            self.say(&format!("{output}: is there already"));
        }
        if job.tell(number) {
            self.json(Line {
                status: "skipped",
                ..self.line(job, number)
            });
        }
    }

    /// Counts an image when nothing is left to do for it.
    fn settle(&self, job: &Job) {
        if job.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut state = self.state();
            match job.has_made.load(Ordering::Relaxed) {
                true => state.done += 1,
                false => state.skipped += 1,
            }
        }
    }

    /// An image of which some results are not made; `work` will not be done.
    pub fn failed(&self, job: &Job, numbers: Range<usize>, failure: Failure, work: u64) {
        let error = (failure.exit_code(), failure.to_string());
        self.not_made(job, numbers, &error);
        let is_first = job.failure.set(error).is_ok();
        self.count_failure(failure, is_first);
        if let Bar::Many(bar) = &self.bar {
            bar.leave_out(work);
        }
    }

    /// What is told at the end: results that were not begun after another of their
    /// image had failed.
    pub fn close(&self, jobs: &[Job]) {
        for job in jobs {
            if let Some(error) = job.failure.get() {
                self.not_made(job, job.results(), error);
            }
        }
    }

    fn not_made(&self, job: &Job, numbers: Range<usize>, (code, message): &(u8, String)) {
        let numbers = numbers.filter(|&number| !job.is_there(number));
        for number in numbers.filter(|&number| job.tell(number)) {
            self.json(Line {
                status: "failed",
                error: Some(ErrorLine {
                    code: *code,
                    message: message.clone(),
                }),
                ..self.line(job, number)
            });
        }
    }

    /// Something that may hold images and cannot be looked into.
    pub fn unsearched(&self, failure: Failure) {
        let input = match &failure {
            Failure::Unsuitable { path, .. } => Some(path.display().to_string()),
            Failure::UpscaleInput { input, .. } => Some(input.clone()),
            Failure::EmptyList(list) => Some(list.display().to_string()),
            _ => None,
        };
        if let Some(input) = input {
            self.json(Line {
                input,
                status: "failed",
                error: Some(ErrorLine::new(&failure)),
                ..self.common()
            });
        }
        self.count_failure(failure, true);
    }

    fn count_failure(&self, failure: Failure, is_first: bool) {
        let mut state = self.state();
        state.failed += usize::from(is_first);
        if self.style.is_single {
            state.failure.get_or_insert(failure);
        } else {
            self.above_bar(|| terminal::status(&format!("error: {failure}")));
        }
    }

    /// What an image's user should know.
    pub fn notes(&self, job: &Job, notes: &[String]) {
        for note in notes {
            match self.style.is_single {
                true => self.say(&format!("note: {note}")),
                false => self.say(&format!("note: {}: {note}", job.input.shown())),
            }
        }
    }

    /// A result that is written.
    pub fn done(&self, job: &Job, number: usize, made: &Made) {
        let Style {
            json,
            quiet,
            verbose,
            ..
        } = self.style;
        let [width, height] = made.size;
        let seconds = (made.load + made.upscale + made.save).as_secs_f64();
        let lr_psnr = made
            .how
            .as_ref()
            .map(|how| how.lr_psnr)
            .filter(|p| p.is_finite());
        job.has_made.store(true, Ordering::Relaxed);
        self.settle(job);
        let tiles = made.how.as_ref().and_then(|how| how.tiles);
        let output = output_of(job, number);
        if json {
            job.tell(number);
            let sigma = match made.kind {
                Kind::Sigma { mean, white } => Some((mean, white)),
                Kind::Result | Kind::Mean => None,
            };
            return self.json(Line {
                output: Some(output),
                mean_sigma: sigma.map(|(mean, _)| (mean * 1e3).round() / 1e3),
                white: sigma.map(|(_, white)| white),
                status: "done",
                width: Some(width),
                height: Some(height),
                seconds: Some((seconds * 1e3).round() / 1e3),
                device: Some(&made.device),
                precision: made.how.as_ref().map(|how| how.precision.to_string()),
                lr_psnr: lr_psnr.map(|psnr| (psnr * 1e2).round() / 1e2),
                tile: tiles.map(|(tile, _)| tile),
                tiles: tiles.map(|(_, count)| count),
                notes: &made.notes,
                ..self.line(job, number)
            });
        }
        let mut line = format!("{output}: {width}x{height}, {seconds:.1} s");
        if let Kind::Sigma { mean, white } = made.kind {
            line = format!(
                "{output}: the standard deviation of the results is {mean:.2} levels on average, and white is {white}"
            );
        }
        if let Some(psnr) = lr_psnr {
            line += &format!(", LR-PSNR {psnr:.1} dB");
        }
        if verbose {
            let [load, upscale, save] =
                [made.load, made.upscale, made.save].map(|time| time.as_secs_f64());
            line += &format!(" (reading {load:.2}, upscaling {upscale:.2}, writing {save:.2})");
        }
        match job.output {
            // Standard output holds the image.
            None => self.say(&line),
            Some(_) if !quiet => self.answer(&(terminal::printable(&line) + "\n")),
            Some(_) => {}
        }
    }

    /// Shows how far an image is whose work is `work`, all before it `before`.
    pub fn show(&self, progress: Progress, before: u64, work: u64) -> ControlFlow<()> {
        match &self.bar {
            Bar::One(bar) => bar.show(progress),
            Bar::Many(bar) => bar.show(progress, before, work),
        }
    }

    /// Ends the display of progress, and tells how it went.
    pub fn finish(self, elapsed: Duration) -> Outcome {
        let state = self.state.into_inner().unwrap_or_else(|e| e.into_inner());
        let State {
            done,
            skipped,
            failed,
            ..
        } = state;
        match &self.bar {
            Bar::One(bar) => bar.clear(),
            Bar::Many(bar) => bar.clear(),
        }
        if !self.style.is_single && !self.style.quiet {
            let mut line = format!("{done} done");
            if skipped > 0 {
                line += &format!(", {skipped} there already");
            }
            if failed > 0 {
                line += &format!(", {failed} failed");
            }
            terminal::status(&format!("{line}; {:.1} s", elapsed.as_secs_f64()));
        }
        Outcome {
            done: done + skipped,
            failed,
            failure: state.stdout.or(state.failure),
        }
    }

    fn common(&self) -> Line<'_> {
        Line {
            sampler: self.sample.sampler.to_string(),
            steps: self.sample.steps,
            seed: self.sample.seed,
            ..Line::default()
        }
    }

    fn line(&self, job: &Job, number: usize) -> Line<'_> {
        let (kind, sample) = match number.checked_sub(self.results) {
            None => ("result", Some(number + 1)),
            Some(0) => ("mean", None),
            Some(_) => ("sigma", None),
        };
        let frame = job.input.frame;
        let duration = frame.and_then(|frame| frame.frame.duration);
        Line {
            frame: frame.map(|frame| frame.number),
            frames: frame.map(|frame| frame.count),
            duration_ms: duration.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3),
            input: job.input.path.display().to_string(),
            output: job.output(number).map(|path| path.display().to_string()),
            kind: Some(kind),
            sample,
            ..self.common()
        }
    }

    fn json(&self, line: Line) {
        if self.style.json {
            let json = serde_json::to_string(&line).expect("a line is plain data");
            self.answer(&(json + "\n"));
        }
    }

    fn answer(&self, text: &str) {
        let written = self.above_bar(|| terminal::answer(text));
        if let Err(failure) = written {
            self.state().stdout.get_or_insert(failure);
        }
    }

    fn above_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Bar::One(bar) => bar.suspend(write),
            Bar::Many(bar) => bar.suspend(write),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|error| error.into_inner())
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Images that have a result, from before or from now.
    pub done: usize,
    pub failed: usize,
    pub failure: Option<Failure>,
}

fn output_of(job: &Job, number: usize) -> String {
    match job.output(number) {
        Some(path) => path.display().to_string(),
        None => STDOUT.to_owned(),
    }
}
