//! `srdiff evaluate`: samplers and steps against quality and time, over a
//! folder of pictures.

use super::args::EvaluateArgs;
use super::failure::Failure;
use super::progress::RunBar;
use super::terminal;
use srdiff::diffusion::Sampler;
use srdiff::image::{Picture, dimensions, metrics};
use srdiff::model::Settings;
use srdiff::upscale::{Progress, SampleOptions, Upscaler};
use std::fs;
use std::ops::{AddAssign, ControlFlow};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HEADER: &str = "\
| sampler | steps | PSNR-Y (dB) | SSIM-Y | LR-PSNR (dB) | s a picture |
|---|--:|--:|--:|--:|--:|
";

/// Shrinks every picture of a folder, enlarges it again with every sampler
/// and number of steps, and prints how near the results come.
pub fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let files = files(&args.folder)?;
    let model = args.engine.open_model()?;
    let settings = model.settings();
    let sizes = lr_sizes(&files, settings)?;
    let samples = samples(args, settings.timesteps);
    let mut upscaler = args.engine.open_upscaler(model)?;
    // What cannot be enlarged is refused before hours of work.
    for sample in &samples {
        upscaler.check(1, 1, sample)?;
    }
    if let Some(sample) = samples.first() {
        for (file, (width, height)) in files.iter().zip(sizes) {
            let failed = Failure::upscaling(file);
            upscaler.check(width, height, sample).map_err(failed)?;
        }
    }
    let device = upscaler.selected().clone();
    terminal::status(&format!("{}: {}", device.device, device.reason));

    let mut bicubic = Measures::default();
    let mut measured = vec![Measures::default(); samples.len()];
    let bar = RunBar::new(files.len() * samples.len());
    for file in &files {
        let hr = Picture::open(file).map_err(Failure::Input)?;
        let pair = Pair::new(file, &hr, &upscaler)?;
        bicubic += pair.measure(&pair.lr.resized(pair.hr.width, pair.hr.height), None)?;
        for (sample, measures) in samples.iter().zip(&mut measured) {
            let (sr, time) = timed(&mut upscaler, &pair, sample)?;
            *measures += pair.measure(&sr, Some(time))?;
            bar.advance();
        }
    }
    drop(bar);

    let mut table = HEADER.to_owned();
    table.push_str(&bicubic.row("bicubic", None));
    for (sample, measures) in samples.iter().zip(&measured) {
        table.push_str(&measures.row(&sample.sampler.to_string(), Some(sample.steps)));
    }
    terminal::answer(&table)
}

/// Every sampler with every number of steps, for a model of `timesteps`.
fn samples(args: &EvaluateArgs, timesteps: usize) -> Vec<SampleOptions> {
    let steps = match &args.steps {
        Some(steps) => steps.clone(),
        None => default_steps(timesteps),
    };
    let sample = |sampler: Sampler, steps| SampleOptions {
        sampler,
        steps,
        seed: args.seed,
        sample: 0,
    };
    let of_sampler = |&sampler| steps.iter().map(move |&steps| sample(sampler, steps));
    args.samplers.iter().flat_map(of_sampler).collect()
}

/// Numbers of steps that tell something, as far as there are timesteps.
fn default_steps(timesteps: usize) -> Vec<usize> {
    let all = [5, 10, 20, 50, 100];
    let steps: Vec<usize> = all.into_iter().filter(|&n| n <= timesteps).collect();
    match steps[..] {
        [] => vec![timesteps],
        _ => steps,
    }
}

/// The size that each picture is shrunk to, from the headers of the files.
fn lr_sizes(files: &[PathBuf], settings: &Settings) -> Result<Vec<(usize, usize)>, Failure> {
    let scale = settings.scale;
    let size = |file: &PathBuf| {
        let (width, height) = dimensions(file).map_err(Failure::Input)?;
        let [width, height] = cropped_size(file, [width, height], settings)?;
        Ok((width / scale, height / scale))
    };
    files.iter().map(size).collect()
}

/// A size cropped to whole multiples of what the model works on; refused if
/// what is left, a border as wide as the scale shaved off, is too small for
/// SSIM.
fn cropped_size(file: &Path, size: [usize; 2], settings: &Settings) -> Result<[usize; 2], Failure> {
    let multiple = settings.scale * settings.lr_size_multiple();
    let cropped = size.map(|side| side - side % multiple);
    let least = (2 * settings.scale + metrics::SSIM_WINDOW).next_multiple_of(multiple);
    if cropped.iter().any(|&side| side < least) {
        return Err(Failure::Unsuitable {
            path: file.to_owned(),
            reason: format!("is smaller than {least}x{least}; take it out of the folder"),
        });
    }
    Ok(cropped)
}

/// The files of a folder that are not hidden, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |reason: String| Failure::Unsuitable {
        path: folder.to_owned(),
        reason,
    };
    let unreadable = |error: std::io::Error| {
        failed(format!(
            "cannot be listed ({error}); name a folder of pictures"
        ))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_picture = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"]
            .iter()
            .any(|known| extension == *known);
        if is_picture && !name.starts_with('.') && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(failed(
            "holds no pictures; name a folder of PNG files".to_owned(),
        ));
    }
    files.sort();
    Ok(files)
}

/// A picture and what it is shrunk to.
struct Pair<'a> {
    file: &'a Path,
    hr: Picture,
    lr: Picture,
    scale: usize,
}

impl<'a> Pair<'a> {
    /// Crops a picture ([`cropped_size`]) and shrinks it as MATLAB does.
    fn new(file: &'a Path, picture: &Picture, upscaler: &Upscaler) -> Result<Self, Failure> {
        let settings = upscaler.model().settings();
        let scale = settings.scale;
        // Asked again: the file may have been replaced since.
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

    /// How near a result is, a border as wide as the scale shaved off.
    fn measure(&self, sr: &Picture, time: Option<Duration>) -> Result<Measures, Failure> {
        let failed = |error: metrics::MetricError| Failure::Unsuitable {
            path: self.file.to_owned(),
            reason: format!("cannot be measured: {error}"),
        };
        Ok(Measures {
            pictures: 1,
            psnr_y: metrics::psnr_y(sr, &self.hr, self.scale).map_err(failed)?,
            ssim_y: metrics::ssim_y(sr, &self.hr, self.scale).map_err(failed)?,
            lr_psnr: metrics::lr_psnr(sr, &self.lr).map_err(failed)?,
            time: time.unwrap_or_default(),
        })
    }
}

/// Upscales, and takes the time from the encoding of the picture to the
/// result, without loading.
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

/// Sums over pictures.
#[derive(Clone, Default)]
struct Measures {
    pictures: usize,
    psnr_y: f64,
    ssim_y: f64,
    lr_psnr: f64,
    time: Duration,
}

impl AddAssign for Measures {
    fn add_assign(&mut self, other: Self) {
        self.pictures += other.pictures;
        self.psnr_y += other.psnr_y;
        self.ssim_y += other.ssim_y;
        self.lr_psnr += other.lr_psnr;
        self.time += other.time;
    }
}

impl Measures {
    /// The means as a row of the table.
    fn row(&self, sampler: &str, steps: Option<usize>) -> String {
        let count = self.pictures as f64;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        format!(
            "| {sampler} | {} | {:.2} | {:.4} | {:.2} | {} |\n",
            or_dash(steps.map(|steps| steps.to_string())),
            self.psnr_y / count,
            self.ssim_y / count,
            self.lr_psnr / count,
            or_dash(steps.map(|_| format!("{:.2}", self.time.as_secs_f64() / count))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_steps_are_those_that_the_model_has() {
        assert_eq!(default_steps(100), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(4096), [5, 10, 20, 50, 100]);
        assert_eq!(default_steps(49), [5, 10, 20]);
        assert_eq!(default_steps(3), [3]);
    }

    #[test]
    fn rows_hold_means() {
        let mut sum = Measures::default();
        for psnr_y in [20.0, 30.0] {
            sum += Measures {
                pictures: 1,
                psnr_y,
                ssim_y: 0.5,
                lr_psnr: 40.0,
                time: Duration::from_secs(3),
            };
        }
        let row = sum.row("ddim", Some(10));
        assert_eq!(row, "| ddim | 10 | 25.00 | 0.5000 | 40.00 | 3.00 |\n");
        let row = sum.row("bicubic", None);
        assert_eq!(row, "| bicubic | - | 25.00 | 0.5000 | 40.00 | - |\n");
    }
}
