//! `srdiff evaluate`: quality and time of samplers and steps on a folder of
//! images.

pub mod args;
mod grid;
mod inputs;
mod means;
mod measures;
mod measuring;
mod report;
mod sampling;

use super::failure::Failure;
use super::places::{Kept, Taken};
use super::signals::Stop;
use super::{progress, terminal};
use args::EvaluateArgs;
use grid::Grids;
use inputs::Listed;
use means::Counted;
use measures::protocol;
use measuring::{Measuring, Results};
use report::{Report, Setting, Unmeasured};
use sampling::{check_strength, samples};
use srdiff::image::check_writable;
use srdiff::upscale::{SampleOptions, Upscaler};
use std::path::PathBuf;

/// Upscales every LR image of a folder with every sampler and number of steps,
/// and compares the results with the HR images. LR images are made from the HR
/// images if there are none.
///
/// What cannot be measured or written is told, and the rest is done.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    args.hr()?;
    let model = args.engine.open_model()?;
    let settings = model.settings().clone();
    let scale = settings.scale;
    let samples = samples(args, &settings);
    let note = check_strength(args, &samples)?;
    let mut listed = inputs::list(args, &settings)?;
    let total = listed.entries.len() + listed.failed.len();
    check_any(&mut listed)?;
    let mut grids = check_outputs(args, &listed, samples.len())?;
    let model_name = model.file().to_owned();
    let mut upscaler = args.engine.open_upscaler(model, args.allow_mismatch)?;
    check_sizes(&mut upscaler, &mut listed, &samples, scale)?;
    check_any(&mut listed)?;
    let selected = upscaler.selected();
    terminal::status(&format!("{}: {}", selected.device, selected.reason));
    let of_device = terminal::notes_beside_reason(&mut upscaler);
    for note in note.iter().chain(&listed.notes).chain(&of_device) {
        terminal::status(&format!("note: {note}"));
    }
    let stop = Stop::on_signals();
    let Listed {
        entries, failed, ..
    } = listed;
    let measuring = Measuring {
        args,
        scale,
        samples: &samples,
        stop: &stop,
        bar: progress::image_bar(entries.len() * samples.len() * args.samples as usize),
    };
    let results = measuring.all(&mut upscaler, &entries, tell(failed), &mut grids)?;
    drop(measuring);
    terminal::notes(&mut upscaler);

    let Results {
        images,
        failed,
        retried,
        with_alpha,
        mut unwritten,
    } = results;
    let sampled = samples.iter().map(|sample| {
        let name = sample.sampler.to_string();
        (name, Some(sample.steps))
    });
    let names = std::iter::once(("bicubic".to_owned(), None)).chain(sampled);
    let counted = Counted::of(&images);
    let named = names.zip(images);
    let mut report = Report {
        model: model_name,
        device: upscaler.selected().device.to_string(),
        precision: upscaler.precision().to_string(),
        scale,
        seed: args.seed,
        samples: args.samples,
        consistent: args.consistent,
        strength: args.strength,
        protocol: Vec::new(),
        results: named
            .map(|((name, steps), images)| Setting::new(name, steps, images, &counted))
            .collect(),
        failed,
        retried,
        with_alpha,
    };
    let multiple = scale * settings.lr_size_multiple();
    report.protocol = protocol(args, multiple, total, &report, &counted);
    if report.measured() > 0 {
        unwritten.extend(write_all(args, &report, grids));
    }
    outcome(&report, total, unwritten, &stop)
}

/// Refuses when no picture is left. What is wrong with the only one is told as that.
fn check_any(listed: &mut Listed) -> Result<(), Failure> {
    if !listed.entries.is_empty() {
        return Ok(());
    }
    let mut failed = std::mem::take(&mut listed.failed);
    let total = failed.len();
    Err(match failed.pop() {
        Some((_, failure)) if failed.is_empty() => failure,
        last => {
            failed.extend(last);
            let failed = tell(failed).len();
            Failure::SomeNotMeasured { failed, total }
        }
    })
}

fn tell(failed: Vec<(String, Failure)>) -> Vec<Unmeasured> {
    let told = failed.into_iter().map(|(image, failure)| {
        let reason = failure.to_string();
        terminal::status(&format!("error: {reason}"));
        Unmeasured { image, reason }
    });
    told.collect()
}

/// Finds what cannot be upscaled before hours of work.
fn check_sizes(
    upscaler: &mut Upscaler,
    listed: &mut Listed,
    samples: &[SampleOptions],
    scale: usize,
) -> Result<(), Failure> {
    for sample in samples {
        upscaler.check(1, 1, sample)?;
    }
    for entry in std::mem::take(&mut listed.entries) {
        let [width, height] = entry.size.map(|side| side / scale);
        // Whether a size fits does not depend on the sampler.
        match upscaler.check(width, height, &samples[0]) {
            Ok(()) => listed.entries.push(entry),
            Err(error) => {
                let failure = Failure::upscaling(entry.hr.display())(error);
                listed.failed.push((entry.name(), failure));
            }
        }
    }
    Ok(())
}

/// Checks before any work that all outputs can be written, and replace nothing that
/// is read and none of each other.
fn check_outputs<'a>(
    args: &'a EvaluateArgs,
    listed: &Listed,
    settings: usize,
) -> Result<Grids<'a>, Failure> {
    let inputs = listed.files.iter().chain(&args.engine.model);
    let kept = Kept::new(inputs.map(PathBuf::as_path));
    let mut taken = Taken::default();
    for (option, file) in [("--json", &args.json), ("--csv", &args.csv)] {
        let Some(file) = file else { continue };
        if let Some(other) = taken.take(file, option) {
            let path = file.clone();
            return Err(Failure::SamePlace {
                option,
                path,
                other,
            });
        }
        if !terminal::is_stdout(file) {
            kept.check(option, file)?;
            check_writable(file, args.force).map_err(Failure::Output)?;
        }
    }
    Grids::new(args, &listed.entries, settings, &kept, &mut taken)
}

/// Writes what is asked for. Gives what could not be written.
fn write_all(args: &EvaluateArgs, report: &Report, grids: Grids<'_>) -> Vec<Failure> {
    let mut reports = [&args.json, &args.csv].into_iter().flatten();
    let table = report.table();
    let written = [
        // First of all: files may fail.
        match reports.any(|path| terminal::is_stdout(path)) {
            true => {
                table.lines().for_each(terminal::status);
                Ok(())
            }
            false => terminal::answer(&table),
        },
        grids.finish(),
        report::write(args.json.as_deref(), args.force, || report.to_json()),
        report::write(args.csv.as_deref(), args.force, || report.to_csv()),
    ];
    written.into_iter().filter_map(Result::err).collect()
}

/// The one failure that the command ends with; the others are told.
fn outcome(
    report: &Report,
    total: usize,
    mut unwritten: Vec<Failure>,
    stop: &Stop,
) -> Result<(), Failure> {
    let (done, failed) = (report.measured(), report.failed.len());
    let last = if stop.is_asked() && done + failed < total {
        Some(Failure::MeasuringStopped {
            exit_code: stop.exit_code(),
            done,
            total,
        })
    } else if let Some(failure) = unwritten.pop() {
        Some(failure)
    } else {
        (failed > 0).then_some(Failure::SomeNotMeasured { failed, total })
    };
    for failure in unwritten {
        terminal::status(&format!("error: {failure}"));
    }
    last.map_or(Ok(()), Err)
}
