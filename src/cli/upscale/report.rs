//! What the user is told: lines, JSON, counts, progress.

use super::jobs::Job;
use crate::cli::failure::Failure;
use crate::cli::progress::{BatchBar, StepBar};
use crate::cli::terminal;
use serde::Serialize;
use srdiff::upscale::{Progress, Report as How, SampleOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether one image was named and nothing else.
    pub is_single: bool,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A result, by its number.
    Result(u32),
    /// The mean of all results.
    Mean,
    /// Their standard deviation: its mean and what is white, in levels of 255.
    Sigma { mean: f64, white: f32 },
}

/// How a result came about.
#[derive(Clone, Debug)]
pub struct Made {
    /// Width and height of the result.
    pub size: [usize; 2],
    pub device: String,
    pub kind: Kind,
    /// None of what several results together tell.
    pub how: Option<How>,
    pub notes: Vec<String>,
    pub load: Duration,
    pub upscale: Duration,
    /// When its last row was there.
    pub done: Instant,
    pub save: Duration,
}

/// One line of `--json`.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    input: String,
    output: Option<String>,
    /// done, skipped or failed
    status: &'a str,
    width: Option<usize>,
    height: Option<usize>,
    seconds: Option<f64>,
    device: Option<&'a str>,
    precision: Option<String>,
    /// In dB; none if the result shrinks to the input exactly.
    lr_psnr: Option<f64>,
    /// Width and height of the tiles, in pixels of the input.
    tile: Option<[usize; 2]>,
    tiles: Option<usize>,
    /// Which frame or page of the input it is, of how many, and how long it is shown.
    frame: Option<usize>,
    frames: Option<usize>,
    duration_ms: Option<f64>,
    /// result, mean or sigma
    kind: Option<&'a str>,
    /// The number of the result among those of its image.
    sample: Option<u32>,
    /// Mean standard deviation of the samples, in levels of 255.
    mean_sigma: Option<f64>,
    /// The standard deviation that is white in the heat map.
    white: Option<f32>,
    sampler: String,
    steps: usize,
    seed: u64,
    notes: &'a [String],
    error: Option<ErrorLine>,
}

#[derive(Debug, Serialize)]
struct ErrorLine {
    /// The exit code that this failure alone would have.
    code: u8,
    message: String,
}

/// Counts and tells. Threads share it.
pub struct Report {
    style: Style,
    sample: SampleOptions,
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

enum Bar {
    One(StepBar),
    Many(BatchBar),
}

impl Report {
    /// `work` is what all images together cost, in any unit.
    pub fn new(style: Style, sample: SampleOptions, pictures: usize, work: u64) -> Self {
        let bar = match style.is_single {
            true => Bar::One(StepBar::new(style.quiet)),
            false => Bar::Many(BatchBar::new(style.quiet, pictures, work)),
        };
        Self {
            style,
            sample,
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

    /// An image that has its result from before.
    pub fn skipped(&self, job: &Job) {
        self.state().skipped += 1;
        if self.style.verbose {
            self.say(&format!("{}: is there already", output_of(job)));
        }
        self.json(Line {
            status: "skipped",
            ..self.line(job)
        });
    }

    /// A result that another run has written meanwhile.
    pub fn appeared(&self, job: &Job, output: Option<&Path>) {
        let output = output.map(|path| path.display().to_string());
        if self.style.verbose {
            let output = output.as_deref().unwrap_or_default();
            self.say(&format!("{output}: is there already"));
        }
        self.settle(job);
        self.json(Line {
            output,
            status: "skipped",
            ..self.line(job)
        });
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

    /// An image that has no result; `work` will not be done.
    pub fn failed(&self, job: &Job, failure: Failure, work: u64) {
        self.json(Line {
            status: "failed",
            error: Some(ErrorLine::new(&failure)),
            ..self.line(job)
        });
        let is_first = !job.has_failed.swap(true, Ordering::Relaxed);
        self.count_failure(failure, is_first);
        if let Bar::Many(bar) = &self.bar {
            bar.leave_out(work);
        }
    }

    /// Something that may hold images and cannot be looked into.
    pub fn unsearched(&self, failure: Failure) {
        let input = match &failure {
            Failure::Unsuitable { path, .. } => Some(path.display().to_string()),
            Failure::UpscaleInput { input, .. } => Some(input.clone()),
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
    pub fn done(&self, job: &Job, output: Option<&Path>, made: &Made) {
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
        let output = match output {
            Some(path) => path.display().to_string(),
            None => "standard output".to_owned(),
        };
        if json {
            let (kind, sample, sigma) = match made.kind {
                Kind::Result(number) => ("result", Some(number), None),
                Kind::Mean => ("mean", None, None),
                Kind::Sigma { mean, white } => ("sigma", None, Some((mean, white))),
            };
            return self.json(Line {
                output: Some(output),
                kind: Some(kind),
                sample,
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
                ..self.line(job)
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

    fn line(&self, job: &Job) -> Line<'_> {
        let frame = job.input.frame;
        let duration = frame.and_then(|frame| frame.frame.duration);
        Line {
            frame: frame.map(|frame| frame.number),
            frames: frame.map(|frame| frame.count),
            duration_ms: duration.map(|time| (time.as_secs_f64() * 1e6).round() / 1e3),
            input: job.input.path.display().to_string(),
            output: job.output.as_ref().map(|path| path.display().to_string()),
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

impl ErrorLine {
    fn new(failure: &Failure) -> Self {
        Self {
            code: failure.exit_code(),
            message: failure.to_string(),
        }
    }
}

fn output_of(job: &Job) -> String {
    match &job.output {
        Some(path) => path.display().to_string(),
        None => "standard output".to_owned(),
    }
}
