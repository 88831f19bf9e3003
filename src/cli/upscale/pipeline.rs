//! Reading, upscaling and writing at once: while the device works on one
//! image, the next is read and the last written.
//!
//! Threads hand images on without a queue between them, so that with one
//! thread each, at most two inputs are in memory. Of results, only the rows that
//! wait to be written are: see [`rows`](super::rows).

use super::jobs::{Job, make_folder};
use super::report::{Kind, Made, Report};
use super::rows::{Results, Rows};
use super::target::Target;
use crate::cli::failure::Failure;
use crate::cli::signals::Stop;
use srdiff::atomic_file::remove_leftovers;
use srdiff::image::{
    DecodeOptions, Decoded, EncodeOptions, ImageError, ImageProblem, OutputFormat, Picture, Strip,
    decode, decode_file, encode_rows, save_rows,
};
use srdiff::upscale::{SampleOptions, Spread, UpscaleError, Upscaler};
use std::collections::HashSet;
use std::io::{Seek, Write, copy, stdout};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How images are read, upscaled and written.
pub struct Settings {
    pub sample: SampleOptions,
    /// None: the model's scale.
    pub target: Option<Target>,
    /// Results of each image.
    pub results: u32,
    /// Whether they are samples whose mean and deviation are written.
    pub uncertainty: bool,
    pub reading: DecodeOptions,
    pub strip: bool,
    pub writing: EncodeOptions,
    pub overwrite: bool,
    /// Threads that read.
    pub load: usize,
    /// Threads that write.
    pub save: usize,
}

impl Settings {
    /// How result `number`, counted from 0, is made.
    fn sample_of(&self, number: u32) -> SampleOptions {
        let mut sample = self.sample;
        match &mut sample.toward {
            Some((_, way)) => *way = f64::from(number) / f64::from(self.results - 1),
            None => sample.sample = number,
        }
        sample
    }
}

/// What one result of an image costs, in pixels times steps.
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
    let reading = DecodeOptions {
        frame: job.input.frame.map(|frame| frame.number - 1),
        ..settings.reading
    };
    let decoded = match &job.input.stdin {
        Some(file) => decode_file(file, path, &reading),
        None => decode(path, &reading),
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
    to_save: SyncSender<Rows<'a>>,
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
        let total = work * u64::from(settings.results);
        let Decoded { picture, mut notes } = match decoded {
            Ok(decoded) => decoded,
            Err(failure) => {
                report.failed(job, failure, total);
                continue;
            }
        };
        if !std::mem::replace(&mut is_announced, true) {
            report.say(&describe(engine, settings));
        }
        report.notes(job, &notes);
        let mut started = Instant::now();
        let own = [picture.width, picture.height];
        let scale = engine.model().settings().scale;
        // The model's own size takes no other way than without --scale.
        let target = settings
            .target
            .filter(|t| t.of(own) != own.map(|side| scale * side));
        let size = target.map_or(own.map(|side| scale * side), |target| target.of(own));
        let head = picture.without_pixels(size);
        let mut spread: Option<Spread> = None;
        let mut load = time;
        let after = before + total;
        for number in 0..settings.results {
            let sample = settings.sample_of(number);
            let mut results = Results::new(job, number as usize, head.clone(), &to_save);
            let mut whole = settings.uncertainty.then(|| head.clone());
            let progress = &mut |progress| {
                // A signal may come while the first image of a size is loaded.
                match stop.is_asked() {
                    true => ControlFlow::Break(()),
                    false => report.show(progress, before, work),
                }
            };
            let rows = &mut |strip: Strip| {
                if let Some(whole) = &mut whole {
                    whole.push(strip.clone());
                }
                results.push(strip)
            };
            let result = match number {
                _ if target.is_some() => engine.upscale_to(&picture, size, &sample, progress, rows),
                0 => engine.upscale_rows(&picture, &sample, progress, rows),
                _ => engine.upscale_next(&picture, &sample, progress, rows),
            };
            for error in result.iter().flat_map(|how| &how.retried) {
                let device = &engine.selected().device;
                let note = format!("{error}; run again on {device} in {}", engine.precision());
                report.say(&format!("note: {note}"));
                notes.push(note);
            }
            let how = match result {
                Ok(how) => how,
                // Whoever could not write it has told.
                Err(UpscaleError::Cancelled) if results.is_refused() => break,
                Err(UpscaleError::Cancelled) => return,
                Err(error) => {
                    let failure = Failure::upscaling(&job.input.path)(error);
                    report.failed(job, failure, after - before);
                    break;
                }
            };
            before += work;
            let done = Instant::now();
            let made = Made {
                size: [0; 2],
                kind: Kind::Result(number + 1),
                device: engine.selected().device.to_string(),
                how: Some(how),
                notes: notes.clone(),
                load: std::mem::take(&mut load),
                upscale: done - started,
                done,
                save: Duration::ZERO,
            };
            started = done;
            results.finish(made.clone());
            if let Some(whole) = &whole {
                match &mut spread {
                    None => spread = Some(Spread::new(whole)),
                    Some(spread) => spread.add(whole),
                }
            }
            if number + 1 == settings.results
                && let Some(spread) = spread.take()
            {
                write_spread(job, &spread, made, settings.results, &to_save);
            }
        }
        before = after;
        if left == 0 {
            // Encoding takes memory of its own.
            upscaler = None;
        }
    }
}

/// Writes the mean of all samples and their deviation.
fn write_spread<'a>(
    job: &'a Job,
    spread: &Spread,
    made: Made,
    samples: u32,
    to_save: &SyncSender<Rows<'a>>,
) {
    let results = |number, image: &Picture| {
        Results::new(job, samples as usize + number, image.clone(), to_save)
    };
    let made = |kind| Made {
        kind,
        how: None,
        load: Duration::ZERO,
        upscale: Duration::ZERO,
        done: Instant::now(),
        ..made.clone()
    };
    let mean = spread.mean();
    results(0, &mean).whole(job.format, mean, made(Kind::Mean));
    let mut sigma = spread.sigma();
    let average = sigma.iter().map(|&v| f64::from(v)).sum::<f64>() / sigma.len() as f64;
    // A few pixels that differ far more than all others would leave these dark.
    let place = (sigma.len() - 1) * 99 / 100;
    let (_, &mut high, _) = sigma.select_nth_unstable_by(place, f32::total_cmp);
    let white = high.ceil().max(1.0);
    let map = spread.heat_map(white);
    let kind = Kind::Sigma {
        mean: average,
        white,
    };
    results(1, &map).whole(OutputFormat::Png, map, made(kind));
}

fn save_all(
    results: &Mutex<Receiver<Rows<'_>>>,
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
        let Ok(mut rows) = received else {
            return;
        };
        let saved = save(&mut rows, folders, settings);
        let made = rows.made();
        match (saved, made) {
            (Ok(()), Some(made)) => report.done(
                rows.job,
                rows.output,
                &Made {
                    size: [rows.head.width, rows.head.height],
                    save: made.done.elapsed(),
                    ..made
                },
            ),
            (Ok(()), None) => unreachable!("the last row comes after it"),
            // The run ended early, and whoever ended it has told why.
            (Err(Unsaved::Image(ImageProblem::MissingRows { .. })), None) => {}
            (Err(unsaved), _) => report.failed(rows.job, unsaved.failure(&rows), 0),
        }
    }
}

/// Why a result is not written.
enum Unsaved {
    Image(ImageProblem),
    Other(Box<Failure>),
}

impl Unsaved {
    fn failure(self, rows: &Rows<'_>) -> Failure {
        match self {
            Self::Other(failure) => *failure,
            Self::Image(problem) => {
                let file = rows.output.unwrap_or(Path::new("standard output"));
                let file = file.to_owned();
                Failure::Output(ImageError { file, problem })
            }
        }
    }
}

fn save(
    rows: &mut Rows<'_>,
    folders: &Mutex<HashSet<PathBuf>>,
    settings: &Settings,
) -> Result<(), Unsaved> {
    let (format, head) = (rows.format, &rows.head);
    let strips = &mut rows.strips.iter();
    let Some(output) = rows.output else {
        // Nobody gets half an image.
        let mut file = tempfile::tempfile().map_err(|e| Unsaved::Image(ImageProblem::Write(e)))?;
        encode_rows(head, format, &settings.writing, &mut file, strips).map_err(Unsaved::Image)?;
        let mut stdout = stdout().lock();
        let written = file.rewind().and_then(|()| copy(&mut file, &mut stdout));
        let written = written.and_then(|_| stdout.flush());
        return written.map_err(|error| Unsaved::Other(Failure::Stdout(error).into()));
    };
    make_folder(output).map_err(|failure| Unsaved::Other(failure.into()))?;
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut known = folders.lock().unwrap_or_else(PoisonError::into_inner);
    if known.insert(folder.clone()) {
        remove_leftovers(&folder);
    }
    drop(known);
    save_rows(
        head,
        output,
        format,
        &settings.writing,
        settings.overwrite,
        strips,
    )
    .map_err(|error| Unsaved::Image(error.problem))
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
    format!(
        "{}: {}; {precision}, {} with {} steps, {seed}",
        selected.device, selected.reason, sample.sampler, sample.steps
    )
}
