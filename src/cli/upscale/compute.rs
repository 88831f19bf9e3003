//! Upscaling the images that were read, one after the other.

use super::jobs::Job;
use super::pipeline::{Loaded, Settings, Stage, caught};
use super::report::{Kind, Made, Report};
use super::rows::{Results, Rows};
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use crate::cli::terminal;
use srdiff::image::{Decoded, NoMemory, OutputFormat, Picture, Strip};
use srdiff::upscale::{Progress, Report as How, SampleOptions, Spread, UpscaleError, Upscaler};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

/// What all images share.
struct Compute<'a, 's> {
    settings: &'s Settings,
    report: &'s Report,
    stop: &'s Stop,
    to_save: SyncSender<Rows<'a>>,
    is_announced: bool,
    /// Whether it was told what `--consistent` cannot do.
    is_told: bool,
    /// What the images so far have cost.
    before: u64,
    /// The first result of the image that is not handed on.
    at: usize,
}

/// Upscales `left` images, or as many as come until it is stopped.
pub fn upscale_all<'a>(
    mut left: usize,
    upscaler: Upscaler,
    loaded: Receiver<Loaded<'a>>,
    to_save: SyncSender<Rows<'a>>,
    settings: &Settings,
    report: &Report,
    stop: &Stop,
) {
    let mut upscaler = Some(upscaler);
    let mut compute = Compute {
        settings,
        report,
        stop,
        to_save,
        is_announced: false,
        is_told: false,
        before: 0,
        at: 0,
    };
    while let (Some(engine), Ok(loaded)) = (&mut upscaler, loaded.recv()) {
        if stop.is_asked() {
            return;
        }
        left -= 1;
        let job = loaded.job;
        let after = compute.before + settings.cost_of(job);
        compute.at = 0;
        let result = caught(job, || compute.image(engine, loaded)).and_then(|result| result);
        match result {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return,
            Err(failure) => {
                let rest = compute.at..job.results().end;
                report.failed(job, rest, failure, after - compute.before);
            }
        }
        compute.before = after;
        if left == 0 {
            // Encoding takes memory of its own.
            upscaler = None;
        }
    }
}

/// An image that results are made of.
struct Image<'a> {
    job: &'a Job,
    picture: Picture,
    /// Its results, without their pixels.
    head: Picture,
    /// Whether results are made again to a size that is not the model's, so that
    /// they are consistent only nearly.
    is_nearly: bool,
    notes: Vec<String>,
    /// What was told of single results.
    remarks: Vec<&'static str>,
    /// What each pass of the model costs.
    passes: Vec<u64>,
    /// How long reading it took, for its first result.
    load: Duration,
    /// When its last result was done.
    started: Instant,
    /// Whether the upscaler does not hold its encoding.
    is_first: bool,
    spread: Option<Spread>,
}

impl Image<'_> {
    /// What a result costs.
    fn work(&self) -> u64 {
        self.passes.iter().sum()
    }

    /// Tells what is new, in the reports of all results from now on, too.
    fn note(&mut self, report: &Report, mut notes: Vec<String>) {
        notes.retain(|note| !self.notes.contains(note));
        report.notes(self.job, &notes);
        self.notes.extend(notes);
    }

    /// Tells what holds for one result, once for all of which it does.
    fn remark(&mut self, report: &Report, remark: Option<&'static str>) {
        if let Some(remark) = remark.filter(|remark| !self.remarks.contains(remark)) {
            report.notes(self.job, &[remark.to_owned()]);
            self.remarks.push(remark);
        }
    }
}

/// What comes after a result.
enum Next {
    Result,
    Image,
    /// It was stopped.
    End,
}

impl<'a> Compute<'a, '_> {
    /// Makes all results of an image that are not there yet. Breaks if it is
    /// stopped.
    fn image(
        &mut self,
        engine: &mut Upscaler,
        loaded: Loaded<'a>,
    ) -> Result<ControlFlow<()>, Failure> {
        let (settings, report) = (self.settings, self.report);
        let Loaded { job, decoded, time } = loaded;
        let Decoded { picture, mut notes } = decoded?;
        if !std::mem::replace(&mut self.is_announced, true) {
            report.say(&describe(engine, settings));
            for note in terminal::notes_beside_reason(engine) {
                report.say(&format!("note: {note}"));
            }
        }
        self.device_notes(engine);
        let own = [picture.width, picture.height];
        let full = own.map(|side| engine.model().settings().scale * side);
        let size = settings.target.map_or(full, |target| target.of(own));
        let is_nearly = settings.sample.consistent && size != full;
        if is_nearly && !std::mem::replace(&mut self.is_told, true) {
            report.say(&format!("note: {NEARLY_CONSISTENT}"));
        }
        notes.extend(settings.target.and_then(|target| target.stretches(own)));
        report.notes(job, &notes);
        if is_nearly {
            notes.push(NEARLY_CONSISTENT.to_owned());
        }
        let mut image = Image {
            job,
            head: picture.without_pixels(size),
            picture,
            is_nearly,
            notes,
            remarks: Vec::new(),
            passes: settings.passes_of(job),
            load: time,
            started: Instant::now(),
            is_first: true,
            spread: None,
        };
        for number in settings.numbers_of(job) {
            match self.result(engine, &mut image, number)? {
                Next::Result => {}
                Next::Image => break,
                Next::End => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Makes result `number` of an image.
    fn result(
        &mut self,
        engine: &mut Upscaler,
        image: &mut Image<'a>,
        number: u32,
    ) -> Result<Next, Failure> {
        let (settings, report, stop, job) = (self.settings, self.report, self.stop, image.job);
        settings.reach(Stage::Upscale, job);
        let sample = settings.sample_of(number);
        self.at = number as usize;
        let is_there = job.is_there(self.at);
        if settings.shared && job.output(self.at).is_some_and(Path::is_file) {
            report.appeared(job, self.at);
            self.before += image.work();
            return Ok(Next::Result);
        }
        let mut results = Results::new(job, self.at, image.head.clone(), &self.to_save);
        let mut whole = settings.uncertainty.then(|| image.head.clone());
        let mut before = self.before;
        let mut pass = 0;
        let passes = &image.passes;
        let progress = &mut |progress| {
            // A signal may come while the first image of a size is loaded.
            if stop.is_asked() {
                return ControlFlow::Break(());
            }
            let shown = report.show(progress, before, passes[pass]);
            if progress == Progress::Finish && pass + 1 < passes.len() {
                before += passes[pass];
                pass += 1;
            }
            shown
        };
        let mut refused = None;
        let rows = &mut |strip: Strip| {
            if let Some(whole) = &mut whole
                && let Err(error) = strip.copied().and_then(|strip| whole.push(strip))
            {
                refused = Some(error);
                return ControlFlow::Break(());
            }
            match is_there {
                true => ControlFlow::Continue(()),
                false => results.push(strip),
            }
        };
        let (picture, size) = (&image.picture, [image.head.width, image.head.height]);
        let result = match std::mem::take(&mut image.is_first) {
            true => engine.upscale_to(picture, size, &sample, progress, rows),
            false => engine.upscale_next_to(picture, size, &sample, progress, rows),
        };
        self.device_notes(engine);
        let failed = Failure::upscaling(job.input.shown());
        if let Some(error) = refused {
            return Err(failed(error.into()));
        }
        let how = match result {
            Ok(how) => how,
            Err(UpscaleError::Cancelled) if results.is_there() => {
                self.before += image.work();
                // What is kept of the image may not be complete.
                image.is_first = true;
                image.started = Instant::now();
                return Ok(Next::Result);
            }
            // The thread that writes it has reported why it cannot.
            Err(UpscaleError::Cancelled) if results.is_refused() => return Ok(Next::Image),
            Err(UpscaleError::Cancelled) => return Ok(Next::End),
            Err(error) => return Err(failed(error)),
        };
        let made = self.made(engine, image, &sample, how);
        self.before += image.work();
        results.finish(made.clone());
        self.at += 1;
        if let Some(whole) = &whole {
            self.add_to_spread(image, whole, number, made)?;
        }
        Ok(Next::Result)
    }

    /// Tells how a result came about that is complete.
    fn made(
        &self,
        engine: &Upscaler,
        image: &mut Image<'a>,
        sample: &SampleOptions,
        how: How,
    ) -> Made {
        let retried = how.retried.iter().map(ToString::to_string);
        image.note(self.report, retried.collect());
        let remark = remark(how.lr_psnr, sample.consistent && !image.is_nearly);
        image.remark(self.report, remark);
        let notes = image.notes.iter().cloned();
        let done = Instant::now();
        Made {
            size: [0; 2],
            kind: Kind::Result,
            device: engine.selected().device.to_string(),
            how: Some(how),
            notes: notes.chain(remark.map(str::to_owned)).collect(),
            load: std::mem::take(&mut image.load),
            upscale: done - std::mem::replace(&mut image.started, done),
            done,
            save: Duration::ZERO,
        }
    }

    /// Adds a result to those before it, and writes what the last one makes complete.
    fn add_to_spread(
        &self,
        image: &mut Image<'a>,
        whole: &Picture,
        number: u32,
        made: Made,
    ) -> Result<(), Failure> {
        let job = image.job;
        match &mut image.spread {
            None => {
                let spread = Spread::new(whole);
                let spread = spread.map_err(Failure::upscaling(job.input.shown()))?;
                image.spread = Some(spread);
            }
            Some(spread) => spread.add(whole),
        }
        if number + 1 == self.settings.results
            && let Some(spread) = image.spread.take()
        {
            let notes = image.notes.clone();
            self.write_spread(job, &spread, Made { notes, ..made })
                .map_err(no_memory(job))?;
        }
        Ok(())
    }

    /// What is to be known of the device, and of no image.
    fn device_notes(&self, engine: &mut Upscaler) {
        for note in engine.take_notes() {
            self.report.say(&format!("note: {note}"));
        }
    }

    /// Writes the mean of all samples and their deviation.
    fn write_spread(&self, job: &'a Job, spread: &Spread, made: Made) -> Result<(), NoMemory> {
        let samples = self.settings.results as usize;
        let write = |number, format, image: Picture, kind| {
            if job.is_there(samples + number) {
                return;
            }
            let head = image.without_pixels([image.width, image.height]);
            let results = Results::new(job, samples + number, head, &self.to_save);
            let made = Made {
                kind,
                how: None,
                load: Duration::ZERO,
                upscale: Duration::ZERO,
                done: Instant::now(),
                ..made.clone()
            };
            results.whole(format, image, made);
        };
        write(0, job.format, spread.mean()?, Kind::Mean);
        let mut sigma = spread.sigma()?;
        let average = sigma.iter().map(|&v| f64::from(v)).sum::<f64>() / sigma.len() as f64;
        // A few pixels that differ far more than all others would leave these dark.
        let place = (sigma.len() - 1) * 99 / 100;
        let (_, &mut high, _) = sigma.select_nth_unstable_by(place, f32::total_cmp);
        let white = high.ceil().max(1.0);
        let kind = Kind::Sigma {
            mean: average,
            white,
        };
        write(1, OutputFormat::Png, spread.heat_map(white)?, kind);
        Ok(())
    }
}

/// With a size that is not what one run of the model gives.
const NEARLY_CONSISTENT: &str = "--consistent corrects each run of the model; shrunk or enlarged again to the size of --scale, the result agrees with the image as well as its LR-PSNR says";

/// Where results differ from their images by more than this (LR-PSNR in dB), that
/// is said: with `--consistent`, and in any case.
const CONSISTENT: f64 = 50.0;
const ROUGH: f64 = 25.0;

/// What is to be said of how well a result matches its image.
fn remark(lr_psnr: f64, is_consistent: bool) -> Option<&'static str> {
    if lr_psnr < ROUGH {
        Some(
            "shrunk again, the result matches the image only roughly, as with dithers, checkers and lines of single pixels, or with a model that was trained too little",
        )
    } else if is_consistent && lr_psnr < CONSISTENT {
        Some(
            "--consistent: hard edges, single pixels or colours that were cut off keep the result from matching the image exactly; its LR-PSNR says how near it is",
        )
    } else {
        None
    }
}

/// Names the image that there is no memory for.
fn no_memory(job: &Job) -> impl FnOnce(NoMemory) -> Failure {
    |error| Failure::upscaling(job.input.shown())(error.into())
}

/// One line: which device runs and why, and how.
fn describe(upscaler: &Upscaler, settings: &Settings) -> String {
    let sample = &settings.sample;
    let seed = match sample.toward {
        None => format!("--seed {}", sample.seed),
        Some((other, _)) => format!("--interpolate {},{other},{}", sample.seed, settings.results),
    };
    let selected = upscaler.selected();
    let precision = upscaler.precision();
    let plural = if sample.steps == 1 { "" } else { "s" };
    format!(
        "{}: {}; {precision}, {} with {} step{plural}, {seed}",
        selected.device, selected.reason, sample.sampler, sample.steps
    )
}
