//! `srdiff evaluate`: quality and time of samplers and steps on a folder of
//! images.

pub mod args;
mod grid;
mod inputs;
mod measures;
mod report;

use super::args::has_noise;
use super::failure::Failure;
use super::places::{Kept, Taken};
use super::signals::Stop;
use super::{progress, terminal};
use args::EvaluateArgs;
use grid::Grids;
use indicatif::ProgressBar;
use inputs::{Entry, Pair};
use measures::{Measures, protocol};
use report::{Image, Report, Setting, Unmeasured};
use srdiff::diffusion::Sampler;
use srdiff::image::{Picture, check_writable};
use srdiff::model::Settings;
use srdiff::upscale::{Progress, SampleOptions, Upscaler};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Upscales every LR image of a folder with every sampler and number of steps,
/// and compares the results with the HR images. LR images are made from the HR
/// images if there are none.
///
/// What cannot be measured or written is told, and the rest is done.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    args.hr()?;
    let note = check_strength(args)?;
    let model = args.engine.open_model()?;
    let settings = model.settings().clone();
    let entries = inputs::entries(args, &settings)?;
    let scale = settings.scale;
    let samples = samples(args, &settings);
    let mut grids = check_outputs(args, &entries, samples.len())?;
    let model_name = model.file().to_owned();
    let mut upscaler = args.engine.open_upscaler(model)?;
    // Refuse what cannot be upscaled before hours of work. Whether a size fits
    // does not depend on the sampler.
    for sample in &samples {
        upscaler.check(1, 1, sample)?;
    }
    for entry in &entries {
        let [width, height] = entry.size.map(|side| side / scale);
        let checked = upscaler.check(width, height, &samples[0]);
        checked.map_err(Failure::upscaling(entry.hr.display()))?;
    }
    let selected = upscaler.selected();
    terminal::status(&format!("{}: {}", selected.device, selected.reason));

    if let Some(note) = note {
        terminal::status(&format!("note: {note}"));
    }
    let stop = Stop::on_signals();
    let mut measuring = Measuring {
        args,
        scale,
        samples: &samples,
        stop: &stop,
        bar: progress::image_bar(entries.len() * samples.len() * args.samples as usize),
    };
    let mut bicubic = Vec::new();
    let mut measured: Vec<Vec<Image>> = samples.iter().map(|_| Vec::new()).collect();
    let mut failed = Vec::new();
    // Of files, and of standard output.
    let mut unwritten = Vec::new();
    for (entry, index) in entries.iter().zip(1..) {
        let image = |measures| Image {
            image: entry.name(),
            measures,
        };
        match measuring.measure(&mut upscaler, entry) {
            Ok(found) => {
                let mut measures = found.measures.into_iter().map(image);
                bicubic.extend(measures.next());
                for (images, image) in measured.iter_mut().zip(measures) {
                    images.push(image);
                }
                let drawn = grids.add(entry, &found.pair, &found.shown);
                unwritten.extend(drawn.err());
            }
            Err(_) if stop.is_asked() => break,
            Err(failure) if entries.len() == 1 => return Err(failure),
            Err(failure) => {
                let told = || terminal::status(&format!("error: {failure}"));
                measuring.bar.suspend(told);
                failed.push(Unmeasured {
                    image: entry.name(),
                    reason: failure.to_string(),
                });
            }
        }
        measuring
            .bar
            .set_position((index * measuring.each()) as u64);
        if stop.is_asked() {
            break;
        }
    }
    drop(measuring);
    terminal::notes(&mut upscaler);

    let (done, total) = (bicubic.len(), entries.len());
    let selected = upscaler.selected();
    let mut report = Report {
        model: model_name,
        device: selected.device.to_string(),
        precision: upscaler.precision().to_string(),
        scale,
        seed: args.seed,
        samples: args.samples,
        consistent: args.consistent,
        strength: args.strength,
        protocol: protocol(
            args,
            scale,
            scale * settings.lr_size_multiple(),
            done,
            &failed,
            total,
        ),
        results: vec![Setting::new("bicubic".to_owned(), None, bicubic)],
        failed,
    };
    let with_names = samples.iter().zip(measured);
    report.results.extend(with_names.map(|(sample, images)| {
        Setting::new(sample.sampler.to_string(), Some(sample.steps), images)
    }));
    if done > 0 {
        // First of all: files may fail.
        unwritten.extend(terminal::answer(&report.table()).err());
        let files = [
            grids.finish(),
            report::write(args.json.as_deref(), args.force, || report.to_json()),
            report::write(args.csv.as_deref(), args.force, || report.to_csv()),
        ];
        unwritten.extend(files.into_iter().filter_map(Result::err));
    }
    let last = if stop.is_asked() && done + report.failed.len() < total {
        Some(Failure::MeasuringStopped {
            exit_code: stop.exit_code(),
            done,
            total,
        })
    } else if let Some(failure) = unwritten.pop() {
        Some(failure)
    } else {
        let failed = report.failed.len();
        (failed > 0).then_some(Failure::SomeNotMeasured { failed, total })
    };
    for failure in unwritten {
        terminal::status(&format!("error: {failure}"));
    }
    last.map_or(Ok(()), Err)
}

/// Checks before any work that all outputs can be written, and replace nothing that
/// is read and none of each other.
fn check_outputs<'a>(
    args: &'a EvaluateArgs,
    entries: &[Entry],
    settings: usize,
) -> Result<Grids<'a>, Failure> {
    let pictures = entries.iter().flat_map(|entry| {
        let lr = entry.lr.iter();
        lr.chain([&entry.hr])
    });
    let inputs = pictures.chain(&args.engine.model);
    let kept = Kept::new(inputs.map(PathBuf::as_path));
    let mut taken = Taken::default();
    for (option, file) in [("--json", &args.json), ("--csv", &args.csv)] {
        let Some(file) = file else { continue };
        kept.check(option, file)?;
        if let Some(other) = taken.take(file, option) {
            let path = file.clone();
            return Err(Failure::SamePlace {
                option,
                path,
                other,
            });
        }
        check_writable(file, args.force).map_err(Failure::Output)?;
    }
    Grids::new(args, entries, settings, &kept, &mut taken)
}

/// What every picture is measured with.
struct Measuring<'a> {
    args: &'a EvaluateArgs,
    scale: usize,
    samples: &'a [SampleOptions],
    stop: &'a Stop,
    bar: ProgressBar,
}

/// What one picture came to.
struct Measured {
    pair: Pair,
    /// Of bicubic and then of each sampler and number of steps.
    measures: Vec<Measures>,
    /// The first result of each of them.
    shown: Vec<Picture>,
}

impl Measuring<'_> {
    /// How many results each picture has.
    fn each(&self) -> usize {
        self.samples.len() * self.args.samples as usize
    }

    fn measure(&mut self, upscaler: &mut Upscaler, entry: &Entry) -> Result<Measured, Failure> {
        let pair = entry.open(self.scale, self.args.max_pixels)?;
        let enlarged = pair.lr.resized(pair.hr.width, pair.hr.height);
        let enlarged = [enlarged.map_err(|error| entry.refused(error))?];
        let mut measures = vec![Measures::of(&enlarged, &pair, entry, None)?];
        let mut shown = Vec::from(enlarged);
        for sample in self.samples {
            let mut results = Vec::new();
            let mut seconds = 0.0;
            for index in 0..self.args.samples {
                let sample = SampleOptions {
                    sample: index,
                    ..*sample
                };
                let (result, time) = self.timed(upscaler, &pair, entry, &sample)?;
                results.push(result);
                seconds += time.as_secs_f64();
                self.bar.inc(1);
            }
            let seconds = Some(seconds / f64::from(self.args.samples));
            measures.push(Measures::of(&results, &pair, entry, seconds)?);
            shown.push(results.swap_remove(0));
        }
        Ok(Measured {
            pair,
            measures,
            shown,
        })
    }

    /// Upscales, and measures the time without loading.
    fn timed(
        &self,
        upscaler: &mut Upscaler,
        pair: &Pair,
        entry: &Entry,
        sample: &SampleOptions,
    ) -> Result<(Picture, Duration), Failure> {
        let mut started = Instant::now();
        let result = upscaler.upscale(&pair.lr, sample, &mut |progress| {
            if progress == Progress::Image {
                started = Instant::now();
            }
            match self.stop.is_asked() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let time = started.elapsed();
        Ok((
            result.map_err(Failure::upscaling(entry.hr.display()))?,
            time,
        ))
    }
}

/// Every sampler with every number of steps.
fn samples(args: &EvaluateArgs, settings: &Settings) -> Vec<SampleOptions> {
    let steps = match (&args.steps, settings.distilled) {
        (Some(steps), _) => steps.clone(),
        (None, Some(process)) => vec![process.steps],
        (None, None) => default_steps(settings.timesteps),
    };
    let of_sampler = |&sampler| {
        steps.iter().map(move |&steps| SampleOptions {
            sampler,
            steps,
            seed: args.seed,
            consistent: args.consistent,
            strength: args.strength,
            ..SampleOptions::default()
        })
    };
    args.samplers.iter().flat_map(of_sampler).collect()
}

/// What is to be known of `--strength`; refused if it would change nothing.
fn check_strength(args: &EvaluateArgs) -> Result<Option<String>, Failure> {
    let has_none = |sampler: &&Sampler| !has_noise(**sampler);
    let without = args.samplers.iter().filter(has_none);
    let names: Vec<String> = without.map(ToString::to_string).collect();
    if args.strength == 1.0 || names.is_empty() {
        return Ok(None);
    }
    let all = names.len() == args.samplers.len();
    let add = if names.len() == 1 { "adds" } else { "add" };
    let names = names.join(" and ");
    match all {
        true => Err(Failure::Usage(format!(
            "--strength: {names} {add} no noise; use it with --samplers ddpm"
        ))),
        false => Ok(Some(format!(
            "--strength changes nothing for {names}, for no noise is added"
        ))),
    }
}

fn default_steps(timesteps: usize) -> Vec<usize> {
    let mut steps = vec![5, 10, 20, 50, 100];
    steps.retain(|&n| n <= timesteps);
    match steps[..] {
        [] => vec![timesteps],
        _ => steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_steps_fit_the_model() {
        assert_eq!(default_steps(100), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(4096), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(49), [5, 10, 20]);
        assert_eq!(default_steps(3), [3]);
    }

    #[test]
    fn rows_hold_means() {
        let image = |(psnr_y, seconds)| Image {
            image: "a.png".to_owned(),
            measures: Measures {
                psnr_y,
                ssim_y: 0.5,
                lr_psnr: 40.0,
                seconds,
                ..Measures::default()
            },
        };
        let ddim = [(20.0, Some(2.0)), (30.0, Some(4.0))].map(image).into();
        let bicubic = [(20.0, None), (30.0, None)].map(image).into();
        let report = Report {
            model: String::new(),
            device: String::new(),
            precision: String::new(),
            scale: 4,
            seed: 0,
            samples: 1,
            consistent: false,
            strength: 1.0,
            protocol: Vec::new(),
            failed: Vec::new(),
            results: vec![
                Setting::new("ddim".to_owned(), Some(10), ddim),
                Setting::new("bicubic".to_owned(), None, bicubic),
            ],
        };
        let table = report.table();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| ddim | 10 | 25.00 | 0.5000 | 0.00 | 0.0000 | 40.00 | 0.00 | 3.00 |"
        );
        assert_eq!(
            rows[1],
            "| bicubic | - | 25.00 | 0.5000 | 0.00 | 0.0000 | 40.00 | 0.00 | - |"
        );
    }
}
