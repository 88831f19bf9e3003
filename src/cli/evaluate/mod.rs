//! `srdiff evaluate`: quality and time of samplers and steps on a folder of
//! images.

pub mod args;
pub mod grid;
mod inputs;
mod measures;
mod report;

use super::failure::Failure;
use super::{progress, terminal};
use args::EvaluateArgs;
use grid::Grids;
use inputs::{Entry, Pair};
use measures::{Measures, protocol};
use report::{Image, Report, Setting};
use srdiff::image::{Picture, check_writable};
use srdiff::model::Settings;
use srdiff::upscale::{Progress, SampleOptions, Upscaler};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Upscales every LR image of a folder with every sampler and number of steps,
/// and compares the results with the HR images. LR images are made from the HR
/// images if there are none.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    args.hr()?;
    let model = args.engine.open_model()?;
    let settings = model.settings().clone();
    let entries = inputs::entries(args, &settings)?;
    let scale = settings.scale;
    let samples = samples(args, &settings);
    for file in [&args.json, &args.csv].into_iter().flatten() {
        check_writable(file, args.force).map_err(Failure::Output)?;
    }
    let mut grids = Grids::new(args, &entries, samples.len())?;
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

    let mut bicubic = Vec::new();
    let mut measured: Vec<Vec<Image>> = samples.iter().map(|_| Vec::new()).collect();
    let bar = progress::image_bar(entries.len() * samples.len() * args.samples as usize);
    for entry in &entries {
        let pair = entry.open(scale, args.max_pixels)?;
        let enlarged = pair.lr.resized(pair.hr.width, pair.hr.height);
        let enlarged = enlarged.map_err(|error| entry.refused(error))?;
        let image = |measures| Image {
            image: entry.name(),
            measures,
        };
        let enlarged = [enlarged];
        bicubic.push(image(Measures::of(&enlarged, &pair, entry, None)?));
        let [enlarged] = enlarged;
        let mut shown = vec![enlarged];
        for (sample, images) in samples.iter().zip(&mut measured) {
            let mut results = Vec::new();
            let mut seconds = 0.0;
            for index in 0..args.samples {
                let sample = SampleOptions {
                    sample: index,
                    ..*sample
                };
                let (result, time) = timed(&mut upscaler, &pair, entry, &sample)?;
                results.push(result);
                seconds += time.as_secs_f64();
                bar.inc(1);
            }
            let seconds = Some(seconds / f64::from(args.samples));
            images.push(image(Measures::of(&results, &pair, entry, seconds)?));
            shown.push(results.swap_remove(0));
        }
        grids.add(entry, &pair, &shown)?;
    }
    drop(bar);
    terminal::notes(&mut upscaler);

    let selected = upscaler.selected();
    let mut report = Report {
        model: model_name,
        device: selected.device.to_string(),
        precision: upscaler.precision().to_string(),
        scale,
        seed: args.seed,
        samples: args.samples,
        protocol: protocol(
            scale,
            scale * settings.lr_size_multiple(),
            args.lr.as_deref(),
            args.samples,
            entries.len(),
        ),
        results: vec![Setting::new("bicubic".to_owned(), None, bicubic)],
    };
    let with_names = samples.iter().zip(measured);
    report.results.extend(with_names.map(|(sample, images)| {
        Setting::new(sample.sampler.to_string(), Some(sample.steps), images)
    }));
    grids.finish()?;
    if let Some(file) = &args.json {
        report::write(file, report.to_json().as_bytes(), args.force)?;
    }
    if let Some(file) = &args.csv {
        report::write(file, &report.to_csv(), args.force)?;
    }
    terminal::answer(&report.table())
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

fn default_steps(timesteps: usize) -> Vec<usize> {
    let mut steps = vec![5, 10, 20, 50, 100];
    steps.retain(|&n| n <= timesteps);
    match steps[..] {
        [] => vec![timesteps],
        _ => steps,
    }
}

/// Upscales, and measures the time without loading.
fn timed(
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
        ControlFlow::Continue(())
    });
    let time = started.elapsed();
    Ok((
        result.map_err(Failure::upscaling(entry.hr.display()))?,
        time,
    ))
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
            protocol: Vec::new(),
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
