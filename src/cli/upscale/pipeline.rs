//! Reading, upscaling and writing at once: while the device works on one
//! image, the next is read and the last written.
//!
//! Threads hand images on without a queue between them, so that with one
//! thread each, at most two inputs are in memory. Of results, only the rows that
//! wait to be written are: see [`rows`](super::rows).
//!
//! A panic in any of them is the failure of its image: the others are done.

use super::compute::upscale_all;
use super::inputs::Input;
use super::jobs::Job;
use super::report::Report;
use super::save::save_all;
use super::target::Target;
use crate::cli::failure::Failure;
use crate::cli::file_args::strip;
use crate::cli::signals::Stop;
use srdiff::image::{
    DecodeOptions, Decoded, EncodeOptions, FrameReader, ImageError, NoMemory, decode, decode_file,
};
use srdiff::upscale::{SampleOptions, Upscaler};
use std::any::Any;
use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(test)]
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How images are read, upscaled and written.
pub struct Settings {
    pub sample: SampleOptions,
    /// None: the model's scale.
    pub target: Option<Target>,
    /// That of the model.
    pub scale: usize,
    /// Results of each image.
    pub results: u32,
    /// Whether they are samples whose mean and deviation are written.
    pub uncertainty: bool,
    pub reading: DecodeOptions,
    pub strip: bool,
    pub writing: EncodeOptions,
    pub overwrite: bool,
    /// Whether a result that another run writes meanwhile is left to it: where results
    /// from before are skipped.
    pub shared: bool,
    /// Threads that read.
    pub load: usize,
    /// Threads that write.
    pub save: usize,
    /// What a test has happen as a stage of an input begins.
    #[cfg(test)]
    pub fault: fn(Stage, &Path),
}

/// What is done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))] // only tests look at it
pub enum Stage {
    Load,
    /// Once for each result.
    Upscale,
    /// Once for each result.
    Save,
}

impl Settings {
    /// How result `number`, counted from 0, is made.
    pub fn sample_of(&self, number: u32) -> SampleOptions {
        let mut sample = self.sample;
        match &mut sample.toward {
            Some((_, way)) => *way = f64::from(number) / f64::from(self.results - 1),
            None => sample.sample = number,
        }
        sample
    }

    /// The results of an image that have to be made: those that are not there,
    /// or all if their mean and deviation are wanted.
    pub fn numbers_of(&self, job: &Job) -> impl Iterator<Item = u32> {
        let is_needed = |&number: &u32| self.uncertainty || !job.is_there(number as usize);
        (0..self.results).filter(is_needed)
    }

    /// What each pass of the model costs for one result of an image, in pixels times
    /// steps.
    pub fn passes_of(&self, job: &Job) -> Vec<u64> {
        let target = self.target.unwrap_or(Target::Factor(self.scale as f64));
        let least = target.of(job.size);
        let mut size = job.size;
        let mut passes = Vec::new();
        while passes.is_empty() || size[0] < least[0] || size[1] < least[1] {
            let [width, height] = size.map(|side| side as u64);
            let pixels = width.saturating_mul(height);
            passes.push(pixels.saturating_mul(self.sample.steps as u64));
            size = size.map(|side| side.saturating_mul(self.scale));
        }
        passes
    }

    /// What an image costs: see [`passes_of`](Self::passes_of).
    pub fn cost_of(&self, job: &Job) -> u64 {
        let work: u64 = self.passes_of(job).iter().sum();
        work * self.numbers_of(job).count() as u64
    }

    /// Where tests let something go wrong.
    pub fn reach(&self, stage: Stage, job: &Job) {
        #[cfg(test)]
        (self.fault)(stage, &job.input.path);
        let _ = (stage, job);
    }
}

/// Does all jobs, or as many as it can until it is stopped.
///
/// # Errors
/// When threads cannot be started; nothing was upscaled then.
pub fn run(
    jobs: &[Job],
    upscaler: Upscaler,
    settings: &Settings,
    report: &Report,
    stop: &Stop,
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let (to_upscale, loaded) = sync_channel(0);
    let (to_save, results) = sync_channel(0);
    // Only the saving threads hold the receiver, so sending fails once they have
    // ended.
    let results = Arc::new(Mutex::new(results));
    let folders = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for _ in 0..settings.load.min(jobs.len()) {
            let to_upscale = to_upscale.clone();
            let next = &next;
            let load = move || load_all(jobs, next, &to_upscale, settings, stop);
            thread::Builder::new().spawn_scoped(scope, load)?;
        }
        drop(to_upscale);
        for _ in 0..settings.save.min(jobs.len()) {
            let (results, folders) = (results.clone(), &folders);
            let save = move || save_all(&results, folders, settings, report);
            thread::Builder::new().spawn_scoped(scope, save)?;
        }
        drop(results);
        upscale_all(
            jobs.len(),
            upscaler,
            loaded,
            to_save,
            settings,
            report,
            stop,
        );
        Ok(())
    })
}

/// Does something for an image. A panic becomes its failure; what was worked on
/// is dropped with it.
pub fn caught<T>(job: &Job, work: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Failure::Fault {
        input: job.input.shown(),
        reason: message(&*payload),
    })
}

/// What a panic said, in one line.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = match (
        payload.downcast_ref::<String>(),
        payload.downcast_ref::<&str>(),
    ) {
        (Some(text), _) => text,
        (_, Some(text)) => *text,
        _ => "no reason given",
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An image that was read, or why not.
pub struct Loaded<'a> {
    pub job: &'a Job,
    pub decoded: Result<Decoded, Failure>,
    pub time: Duration,
}

fn load_all<'a>(
    jobs: &'a [Job],
    next: &AtomicUsize,
    to_upscale: &SyncSender<Loaded<'a>>,
    settings: &Settings,
    stop: &Stop,
) {
    // Of the file whose frames are read.
    let mut frames = None;
    while !stop.is_asked() {
        let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
            return;
        };
        let started = Instant::now();
        let loaded = Loaded {
            job,
            decoded: caught(job, || load(job, settings, &mut frames)).and_then(|decoded| decoded),
            time: started.elapsed(),
        };
        if to_upscale.send(loaded).is_err() {
            return;
        }
    }
}

fn load(
    job: &Job,
    settings: &Settings,
    frames: &mut Option<FrameReader>,
) -> Result<Decoded, Failure> {
    settings.reach(Stage::Load, job);
    let path = &job.input.path;
    let open = frames.take().filter(|reader| reader.path() == path);
    let decoded = match (job.input.frame, &job.input.stdin) {
        (Some(frame), _) => {
            let mut reader = open.unwrap_or_else(|| FrameReader::new(path, &settings.reading));
            let decoded = reader.read(frame.number - 1);
            *frames = (frame.number < frame.count).then_some(reader);
            decoded
        }
        (None, Some(file)) => decode_file(file, path, &settings.reading),
        (None, None) if !job.input.notes.is_empty() => lone_frame(&job.input, settings),
        (None, None) => decode(path, &settings.reading),
    };
    let mut decoded = decoded.map_err(Failure::reading(job.input.shown()))?;
    let refused = |error: NoMemory| Failure::UpscaleInput {
        input: job.input.shown(),
        problem: error.into(),
    };
    if settings.strip {
        strip(&mut decoded).map_err(refused)?;
    }
    decoded.notes.extend(job.format.losses(&decoded.picture));
    Ok(decoded)
}

/// Reads the only frame of a file that can be found, which is not called the first.
fn lone_frame(input: &Input, settings: &Settings) -> Result<Decoded, ImageError> {
    let options = DecodeOptions {
        frame: Some(0),
        ..settings.reading
    };
    let decoded = decode(&input.path, &options);
    // Some of a frame may be there, but not for what is laid on it.
    let mut decoded = decoded.or_else(|_| decode(&input.path, &settings.reading))?;
    decoded.notes.retain(|note| !input.notes.contains(note));
    decoded.notes.splice(..0, input.notes.clone());
    Ok(decoded)
}

#[cfg(test)]
mod tests;
