//! `srdiff upscale`.

mod args;
mod compute;
mod destination;
mod format;
mod frames;
mod inputs;
mod jobs;
mod list;
mod name;
mod patterns;
mod pipeline;
mod report;
mod results;
mod rows;
mod save;
mod target;

pub use args::UpscaleArgs;

use super::failure::{Failure, Stopped};
use super::plan;
use super::progress::{BatchBar, StepBar};
use super::signals::Stop;
use super::terminal::STDOUT;
use inputs::{Input, NumberedFrame};
use jobs::{Job, Work};
use name::Common;
use pipeline::Settings;
use report::{Bar, Outcome, Report, Style};
use srdiff::image::{dimensions_of_file, dimensions_within};
use srdiff::model::Model;
use srdiff::upscale::{SampleOptions, UpscaleError};
use std::path::{Path, PathBuf};
use std::time::Instant;
use target::Target;

/// Upscales images. Everything that can be refused is refused before any
/// work is done; of several images, those that can be upscaled are.
pub fn run(args: &UpscaleArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let mut inputs = inputs::collect(args, destination::folder_given(args))?;
    // Not before: whoever ends a list or image that never comes wants no more.
    let stop = Stop::on_signals();
    let model = args.engine.open_model()?;
    let scale = model.settings().scale;
    args.check_results()?;
    let mut sample = args.sampling.sample(model.settings())?;
    if let Some(way) = args.interpolate {
        (sample.seed, sample.toward) = (way.from, Some((way.to, 0.0)));
    }
    if args.dump_plan {
        let [input] = &inputs.list[..] else {
            let message = "--dump-plan: plans one image; name one".to_owned();
            return Err(Failure::Usage(message));
        };
        return plan::print(&args.engine, model, size(input, args)?, &sample);
    }

    let named = inputs.is_single;
    if args.frames {
        inputs.expand_frames(&args.files.reading(), &stop)?;
    }
    let problems = std::mem::take(&mut inputs.problems);
    let of_one = inputs.list.is_empty() && problems.len() + inputs.unread.len() == 1;
    let is_here = problems.len() == 1 || args.shard.is_none_or(|shard| shard.has(0));
    if of_one && is_here {
        let unread = inputs.unread.into_iter().map(|unread| unread.failure);
        let bar = Bar::One(StepBar::new(args.quiet));
        let report = Report::new(style(args, true), sample, args.results(), bar);
        let all = problems.into_iter().chain(unread);
        all.for_each(|problem| report.unsearched(problem));
        let failure = report.finish(started.elapsed()).failure;
        return failure.map_or(Ok(()), Err);
    }
    let notes = std::mem::take(&mut inputs.notes);
    let destination = destination::destination(args, &inputs, named)?;
    let is_single = inputs.is_single;
    let common = Common {
        extension: args.format.as_ref().map_or("png", |f| &f.extension),
        scale: args
            .scale
            .map_or(scale.to_string(), |target| target.to_string()),
        sampler: sample.sampler.to_string(),
        steps: sample.steps,
        seed: sample.seed,
    };
    let mut work = jobs::plan(args, inputs, &destination, &common)?;
    measure(&mut work, args, scale, &stop);

    let settings = Settings {
        // A mean is not of the samples that another run has written.
        shared: !is_single && !args.uncertainty && !args.force,
        ..settings(args, sample, scale)
    };
    let bar = bar(&work.jobs, &settings, is_single, args.quiet);
    let report = Report::new(style(args, is_single), sample, args.results(), bar);
    let total = problems.len() + work.len();
    for note in notes {
        report.say(&format!("note: {note}"));
    }
    tell_beforehand(&mut work, problems, args, &report);
    if !work.jobs.is_empty() && !stop.is_asked() {
        upscale(
            args, model, &work.jobs, is_single, &settings, &report, &stop,
        )?;
    }
    report.close(&work.jobs);
    verdict(report.finish(started.elapsed()), total, &stop)
}

fn style(args: &UpscaleArgs, is_single: bool) -> Style {
    Style {
        is_single,
        json: args.json,
        quiet: args.quiet,
        verbose: args.verbose,
    }
}

/// The display of progress: of the steps of one upscale, or of all there is to do.
fn bar(jobs: &[Job], settings: &Settings, is_single: bool, is_quiet: bool) -> Bar {
    let has_passes = |job: &Job| settings.passes_of(job).len() > 1;
    if is_single && !jobs.iter().any(has_passes) {
        return Bar::One(StepBar::new(is_quiet));
    }
    let costs = jobs.iter().map(|job| settings.cost_of(job));
    Bar::Many(BatchBar::new(is_quiet, jobs.len(), costs.sum()))
}

/// Opens the model on its device and makes all results. A failure of the only image is
/// reported as such.
fn upscale(
    args: &UpscaleArgs,
    model: Model,
    jobs: &[Job],
    is_single: bool,
    settings: &Settings,
    report: &Report,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut upscaler = args.engine.open_upscaler(model, args.allow_mismatch)?;
    let sample = &settings.sample;
    let checked = match jobs {
        [job] if is_single => {
            let checked = upscaler.check(job.size[0], job.size[1], sample);
            checked.map_err(Failure::upscaling(job.input.shown()))
        }
        // What is wrong with the options is wrong for every image.
        _ => upscaler.check(1, 1, sample).map_err(Failure::Upscaler),
    };
    let done = checked.and_then(|()| {
        let run = pipeline::run(jobs, upscaler, settings, report, stop);
        run.map_err(|error| Failure::Threads {
            input: is_single.then(|| jobs[0].input.shown()),
            reason: error.to_string(),
        })
    });
    match done {
        Err(failure) if is_single => {
            let job = &jobs[0];
            report.failed(job, job.results(), failure, 0);
            Ok(())
        }
        done => done,
    }
}

/// What a run came to, of `total` images.
fn verdict(outcome: Outcome, total: usize, stop: &Stop) -> Result<(), Failure> {
    let Outcome {
        done,
        failed,
        failure,
    } = outcome;
    if let Some(failure) = failure {
        return Err(failure);
    }
    if stop.is_asked() && done + failed < total {
        let exit_code = stop.exit_code();
        return Err(Failure::Stopped(Stopped {
            exit_code,
            done,
            total,
        }));
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::SomeFailed { failed, total }),
    }
}

/// Tells what needs no device: what was found there, and what cannot be done.
fn tell_beforehand(work: &mut Work, problems: Vec<Failure>, args: &UpscaleArgs, report: &Report) {
    let by_name: Vec<&Path> = work.results.iter().map(|i| i.path.as_path()).collect();
    let by_folder: Vec<&Path> = work.in_output.iter().map(PathBuf::as_path).collect();
    let again = work.all().flat_map(|job| &job.again);
    let mut again: Vec<&Path> = again.map(PathBuf::as_path).collect();
    // Of several frames.
    again.sort_unstable();
    again.dedup();
    for (results, one, all) in [
        (
            by_name,
            "is called as the result of another",
            "are called as results of others",
        ),
        (
            by_folder,
            "is in the folder of the results",
            "are in the folder of the results",
        ),
        (
            again,
            "is an image that was named before",
            "were named before in another form",
        ),
    ] {
        if args.verbose {
            for path in results {
                let path = path.display();
                report.say(&format!("{path}: left out, for it {one}"));
            }
        } else if !results.is_empty() {
            let count = results.len();
            report.say(&format!(
                "note: left out {count} that {all} (--verbose tells which)"
            ));
        }
    }
    for note in &work.notes {
        report.say(&format!("note: {note}"));
    }
    let unread = work.unread.drain(..).map(|unread| unread.failure);
    for problem in problems.into_iter().chain(unread) {
        report.unsearched(problem);
    }
    for job in work.all() {
        report.named_again(job);
    }
    for job in &work.skipped {
        report.skipped(job);
    }
    for job in work.jobs.iter().filter(|job| !job.there.is_empty()) {
        report.partly_there(job);
        let (input, there, all) = (job.input.shown(), job.there.len(), job.outputs().count());
        report.say(&format!(
            "note: {input}: {there} of its {all} results are there already"
        ));
    }
    for (job, failure) in work.failed.drain(..) {
        report.partly_there(&job);
        report.failed(&job, job.results(), failure, 0);
    }
}

/// Reads the sizes of all images, and sorts out those that cannot be read or
/// whose results would be too large for their format.
fn measure(work: &mut Work, args: &UpscaleArgs, scale: usize, stop: &Stop) {
    for mut job in std::mem::take(&mut work.jobs) {
        if stop.is_asked() {
            work.jobs.push(job);
            continue;
        }
        let measured = size(&job.input, args).and_then(|[width, height]| {
            let target = args.scale.unwrap_or(Target::Factor(scale as f64));
            let [new_width, new_height] = target.of([width, height]);
            if new_width < width || new_height < height {
                let error = UpscaleError::Shrinks {
                    from: [width, height],
                    to: [new_width, new_height],
                };
                let input = job.input.shown();
                return Err(match target.factor_meant() {
                    Some(meant) => Failure::Usage(format!("{input}: {error} ({meant})")),
                    None => Failure::upscaling(input)(error),
                });
            }
            let output = job.output.as_deref().unwrap_or(Path::new(STDOUT));
            let checked = job.format.check(output, new_width, new_height);
            checked.map_err(Failure::Output)?;
            Ok([width, height])
        });
        match measured {
            Ok(size) => {
                job.size = size;
                work.jobs.push(job);
            }
            Err(failure) => work.failed.push((job, failure)),
        }
    }
}

fn size(input: &Input, args: &UpscaleArgs) -> Result<[usize; 2], Failure> {
    if let Some(NumberedFrame { frame, .. }) = input.frame {
        return Ok([frame.width, frame.height]);
    }
    let size = match &input.stdin {
        Some(file) => dimensions_of_file(file, &input.path, args.files.max_pixels),
        None => dimensions_within(&input.path, args.files.max_pixels),
    };
    size.map(<[usize; 2]>::from)
        .map_err(Failure::reading(input.shown()))
}

fn settings(args: &UpscaleArgs, sample: SampleOptions, scale: usize) -> Settings {
    Settings {
        sample,
        target: args.scale,
        scale,
        results: args.results(),
        uncertainty: args.uncertainty,
        reading: args.files.reading(),
        strip: args.files.strip,
        writing: args.files.writing(),
        overwrite: args.force,
        shared: false,
        load: args.jobs.load,
        save: args.jobs.save,
        #[cfg(test)]
        fault: |_, _| (),
    }
}
