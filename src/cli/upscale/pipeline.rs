//! Reading, upscaling and writing at once: while the device works on one
//! image, the next is read and the last written.
//!
//! Threads hand images on without a queue between them, so that with one
//! thread each, at most two inputs and two results are in memory.

use super::jobs::{Job, make_folder};
use super::report::{Made, Report};
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use srdiff::atomic_file::remove_leftovers;
use srdiff::image::{
    DecodeOptions, Decoded, EncodeOptions, ImageError, Picture, decode, decode_file,
};
use srdiff::upscale::{SampleOptions, UpscaleError, Upscaler};
use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How images are read, upscaled and written.
pub struct Settings {
    pub sample: SampleOptions,
    pub reading: DecodeOptions,
    pub strip: bool,
    pub writing: EncodeOptions,
    pub overwrite: bool,
    /// Threads that read.
    pub load: usize,
    /// Threads that write.
    pub save: usize,
}

/// What an image costs, in pixels times steps.
pub fn work_of(job: &Job, sample: &SampleOptions) -> u64 {
    let [width, height] = job.size.map(|side| side as u64);
    width * height * sample.steps as u64
}

/// Does all jobs, or as many as it can until it is stopped.
pub fn run(jobs: &[Job], upscaler: Upscaler, settings: &Settings, report: &Report, stop: &Stop) {
    let next = AtomicUsize::new(0);
    let (to_upscale, loaded) = sync_channel(0);
    let (to_save, results) = sync_channel(0);
    let results = Mutex::new(results);
    let folders = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for _ in 0..settings.load.min(jobs.len()) {
            let to_upscale = to_upscale.clone();
            let next = &next;
            scope.spawn(move || load_all(jobs, next, &to_upscale, settings, stop));
        }
        drop(to_upscale);
        for _ in 0..settings.save.min(jobs.len()) {
            scope.spawn(|| save_all(&results, &folders, settings, report));
        }
        upscale_all(
            jobs.len(),
            upscaler,
            loaded,
            to_save,
            settings,
            report,
            stop,
        );
    });
}

/// An image that was read, or why not.
struct Loaded<'a> {
    job: &'a Job,
    decoded: Result<Decoded, Failure>,
    time: Duration,
}

/// A result to write.
struct Upscaled<'a> {
    job: &'a Job,
    picture: Picture,
    made: Made,
}

fn load_all<'a>(
    jobs: &'a [Job],
    next: &AtomicUsize,
    to_upscale: &SyncSender<Loaded<'a>>,
    settings: &Settings,
    stop: &Stop,
) {
    while !stop.is_asked() {
        let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else {
            return;
        };
        let started = Instant::now();
        let loaded = Loaded {
            job,
            decoded: load(job, settings),
            time: started.elapsed(),
        };
        if to_upscale.send(loaded).is_err() {
            return;
        }
    }
}

fn load(job: &Job, settings: &Settings) -> Result<Decoded, Failure> {
    let path = &job.input.path;
    let decoded = match &job.input.stdin {
        Some(file) => decode_file(file, path, &settings.reading),
        None => decode(path, &settings.reading),
    };
    let Decoded {
        mut picture,
        mut notes,
    } = decoded.map_err(Failure::UpscaleInput)?;
    if settings.strip && !picture.strip() {
        notes.push("its colour profile cannot be used, so colours stay unconverted".to_owned());
    }
    notes.extend(job.format.losses(&picture));
    Ok(Decoded { picture, notes })
}

fn upscale_all<'a>(
    mut left: usize,
    upscaler: Upscaler,
    loaded: Receiver<Loaded<'a>>,
    to_save: SyncSender<Upscaled<'a>>,
    settings: &Settings,
    report: &Report,
    stop: &Stop,
) {
    let sample = &settings.sample;
    let mut upscaler = Some(upscaler);
    let mut is_announced = false;
    let mut before = 0;
    while let (Some(engine), Ok(Loaded { job, decoded, time })) = (&mut upscaler, loaded.recv()) {
        if stop.is_asked() {
            return;
        }
        left -= 1;
        let work = work_of(job, sample);
        let Decoded { picture, mut notes } = match decoded {
            Ok(decoded) => decoded,
            Err(failure) => {
                report.failed(job, failure, work);
                continue;
            }
        };
        if !std::mem::replace(&mut is_announced, true) {
            report.say(&describe(engine, sample));
        }
        report.notes(job, &notes);
        let started = Instant::now();
        let announced = engine.precision();
        let result = engine.upscale(&picture, sample, &mut |progress| {
            // A signal may come while the first image of a size is loaded.
            match stop.is_asked() {
                true => ControlFlow::Break(()),
                false => report.show(progress, before, work),
            }
        });
        if engine.precision() != announced {
            let note = "this model exceeds the range of f16, so it was run in f32".to_owned();
            report.say(&format!("note: {note}"));
            notes.push(note);
        }
        let made = Made {
            size: [0; 2],
            device: engine.selected().device.to_string(),
            precision: engine.precision().to_string(),
            notes,
            load: time,
            upscale: started.elapsed(),
            save: Duration::ZERO,
        };
        let picture = match result {
            Ok(picture) => picture,
            Err(UpscaleError::Cancelled) => return,
            Err(error) => {
                report.failed(job, Failure::upscaling(&job.input.path)(error), work);
                continue;
            }
        };
        before += work;
        if left == 0 {
            // Encoding takes memory of its own.
            upscaler = None;
        }
        let upscaled = Upscaled { job, picture, made };
        if to_save.send(upscaled).is_err() {
            return;
        }
    }
}

fn save_all(
    results: &Mutex<Receiver<Upscaled>>,
    folders: &Mutex<HashSet<PathBuf>>,
    settings: &Settings,
    report: &Report,
) {
    loop {
        // Held while waiting: the next result goes to whoever waits longest.
        let received = results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(Upscaled { job, picture, made }) = received else {
            return;
        };
        let started = Instant::now();
        match save(job, &picture, folders, settings) {
            Ok(()) => report.done(
                job,
                &Made {
                    size: [picture.width, picture.height],
                    save: started.elapsed(),
                    ..made
                },
            ),
            Err(failure) => report.failed(job, failure, 0),
        }
    }
}

fn save(
    job: &Job,
    picture: &Picture,
    folders: &Mutex<HashSet<PathBuf>>,
    settings: &Settings,
) -> Result<(), Failure> {
    let Some(output) = &job.output else {
        let bytes = picture.encode(job.format, &settings.writing);
        let bytes = bytes.map_err(|problem| {
            let file = "standard output".into();
            Failure::Output(ImageError { file, problem })
        })?;
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        return written.map_err(Failure::Stdout);
    };
    make_folder(output)?;
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut known = folders.lock().unwrap_or_else(PoisonError::into_inner);
    if known.insert(folder.clone()) {
        remove_leftovers(&folder);
    }
    drop(known);
    picture
        .save(output, job.format, &settings.writing, settings.overwrite)
        .map_err(Failure::Output)
}

/// One line: which device runs and why, and how.
fn describe(upscaler: &Upscaler, sample: &SampleOptions) -> String {
    let selected = upscaler.selected();
    let precision = upscaler.precision();
    format!(
        "{}: {}; {precision}, {} with {} steps, --seed {}",
        selected.device, selected.reason, sample.sampler, sample.steps, sample.seed
    )
}
