//! `srdiff evaluate`: quality and time of samplers and steps on a folder of
//! images.

use super::args::EvaluateArgs;
use super::failure::Failure;
use super::{progress, terminal};
use srdiff::image::{Picture, dimensions, metrics};
use srdiff::model::Settings;
use srdiff::upscale::{Progress, SampleOptions, Upscaler};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HEADER: &str = "\
| sampler | steps | PSNR-Y (dB) | SSIM-Y | LR-PSNR (dB) | s per image |
|---|--:|--:|--:|--:|--:|
";

const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"];

/// Shrinks every image of a folder, upscales it with every sampler and number
/// of steps, and compares the results with the image.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let files = files(&args.folder)?;
    let model = args.engine.open_model()?;
    let settings = model.settings();
    let hr_sizes = files.iter().map(|file| {
        let (width, height) = dimensions(file).map_err(Failure::Input)?;
        cropped_size(file, [width, height], settings)
    });
    let hr_sizes: Vec<[usize; 2]> = hr_sizes.collect::<Result<_, _>>()?;
    let scale = settings.scale;
    let samples = samples(args, settings.timesteps);
    let mut upscaler = args.engine.open_upscaler(model)?;
    // Refuse what cannot be upscaled before hours of work. Whether a size fits
    // does not depend on the sampler.
    for sample in &samples {
        upscaler.check(1, 1, sample)?;
    }
    for (file, [width, height]) in files.iter().zip(hr_sizes) {
        let checked = upscaler.check(width / scale, height / scale, &samples[0]);
        checked.map_err(Failure::upscaling(file))?;
    }
    let selected = upscaler.selected();
    terminal::status(&format!("{}: {}", selected.device, selected.reason));

    let mut bicubic = Vec::new();
    let mut measured: Vec<Vec<Measures>> = samples.iter().map(|_| Vec::new()).collect();
    let bar = progress::image_bar(files.len() * samples.len());
    for file in &files {
        let pair = Pair::open(file, upscaler.model().settings())?;
        let enlarged = pair.lr.resized(pair.hr.width, pair.hr.height);
        bicubic.push(pair.measure(&enlarged, Duration::ZERO)?);
        for (sample, measures) in samples.iter().zip(&mut measured) {
            let (sr, time) = timed(&mut upscaler, &pair, sample)?;
            measures.push(pair.measure(&sr, time)?);
            bar.inc(1);
        }
    }
    drop(bar);

    let mut table = HEADER.to_owned();
    table.push_str(&row("bicubic", None, &bicubic));
    for (sample, measures) in samples.iter().zip(&measured) {
        let sampler = sample.sampler.to_string();
        table.push_str(&row(&sampler, Some(sample.steps), measures));
    }
    terminal::answer(&table)
}

/// Every sampler with every number of steps.
fn samples(args: &EvaluateArgs, timesteps: usize) -> Vec<SampleOptions> {
    let steps = match &args.steps {
        Some(steps) => steps.clone(),
        None => default_steps(timesteps),
    };
    let of_sampler = |&sampler| {
        steps.iter().map(move |&steps| SampleOptions {
            sampler,
            steps,
            seed: args.seed,
            sample: 0,
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

/// A size cropped to multiples of what the model works on. Refused if it is too
/// small for SSIM without a border as wide as the scale.
fn cropped_size(file: &Path, size: [usize; 2], settings: &Settings) -> Result<[usize; 2], Failure> {
    let multiple = settings.scale * settings.lr_size_multiple();
    let cropped = size.map(|side| side - side % multiple);
    let least = (2 * settings.scale + metrics::SSIM_WINDOW).next_multiple_of(multiple);
    if cropped.iter().any(|&side| side < least) {
        let reason = format!("is smaller than {least}x{least}; take it out of the folder");
        return Err(unsuitable(file, reason));
    }
    Ok(cropped)
}

fn unsuitable(path: &Path, reason: impl Into<String>) -> Failure {
    Failure::Unsuitable {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// The images of a folder that are not hidden, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        let reason = format!("cannot be listed ({error}); name a folder of images");
        unsuitable(folder, reason)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_image = EXTENSIONS.iter().any(|known| extension == *known);
        if is_image && !name.starts_with('.') && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let reason = "holds no images; name a folder of PNG files";
        return Err(unsuitable(folder, reason));
    }
    files.sort();
    Ok(files)
}

/// An image and the smaller one made from it.
struct Pair<'a> {
    file: &'a Path,
    hr: Picture,
    lr: Picture,
    scale: usize,
}

impl<'a> Pair<'a> {
    fn open(file: &'a Path, settings: &Settings) -> Result<Self, Failure> {
        let picture = Picture::open(file).map_err(Failure::Input)?;
        let scale = settings.scale;
        // Checked again because the file may have been replaced.
        let size = cropped_size(file, [picture.width, picture.height], settings)?;
        let hr = picture.cropped(size[0], size[1]);
        let lr = hr.resized(hr.width / scale, hr.height / scale);
        Ok(Self {
            file,
            hr,
            lr,
            scale,
        })
    }

    /// Compares a result without a border as wide as the scale.
    fn measure(&self, sr: &Picture, time: Duration) -> Result<Measures, Failure> {
        let failed = |error: metrics::MetricError| {
            unsuitable(self.file, format!("cannot be measured: {error}"))
        };
        Ok(Measures {
            psnr_y: metrics::psnr_y(sr, &self.hr, self.scale).map_err(failed)?,
            ssim_y: metrics::ssim_y(sr, &self.hr, self.scale).map_err(failed)?,
            lr_psnr: metrics::lr_psnr(sr, &self.lr).map_err(failed)?,
            time,
        })
    }
}

/// Upscales, and measures the time without loading.
fn timed(
    upscaler: &mut Upscaler,
    pair: &Pair,
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
    Ok((result.map_err(Failure::upscaling(pair.file))?, time))
}

struct Measures {
    psnr_y: f64,
    ssim_y: f64,
    lr_psnr: f64,
    time: Duration,
}

/// The means as a row of the table; bicubic has no steps and no time.
fn row(sampler: &str, steps: Option<usize>, measured: &[Measures]) -> String {
    let mean = |value: &dyn Fn(&Measures) -> f64| {
        measured.iter().map(value).sum::<f64>() / measured.len() as f64
    };
    let (steps, time) = match steps {
        Some(steps) => {
            let seconds = mean(&|m| m.time.as_secs_f64());
            (steps.to_string(), format!("{seconds:.2}"))
        }
        None => ("-".to_owned(), "-".to_owned()),
    };
    format!(
        "| {sampler} | {steps} | {:.2} | {:.4} | {:.2} | {time} |\n",
        mean(&|m| m.psnr_y),
        mean(&|m| m.ssim_y),
        mean(&|m| m.lr_psnr),
    )
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
        let measured = [20.0, 30.0].map(|psnr_y| Measures {
            psnr_y,
            ssim_y: 0.5,
            lr_psnr: 40.0,
            time: Duration::from_secs(3),
        });
        let ddim = row("ddim", Some(10), &measured);
        assert_eq!(ddim, "| ddim | 10 | 25.00 | 0.5000 | 40.00 | 3.00 |\n");
        let bicubic = row("bicubic", None, &measured);
        assert_eq!(bicubic, "| bicubic | - | 25.00 | 0.5000 | 40.00 | - |\n");
    }
}
