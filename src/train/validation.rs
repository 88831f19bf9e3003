//! How good a model is while it is trained, on images that it does not learn from.

use super::data::{DataError, Skipped};
use super::{OpenDevice, Stage};
use crate::exec::{ExecError, PrepareError, PrepareOptions, StepRecord};
use crate::graph::{GraphError, Role};
use crate::host_memory::NoMemory;
use crate::image::metrics::{self, MetricError};
use crate::image::{Border, Colors, DecodeOptions, Picture, decode, picture_from_planes};
use crate::model::{Model, PhaseOptions, Settings, names, phases};
use crate::upscale::{SampleOptions, UpscaleError, Upscaler, UpscalerOptions};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// The longest side of what is compared; of larger images it is the middle.
pub const LONGEST_SIDE: usize = 512;

/// Pixels of the image's reflection that the encoder sees around it, as when an
/// image is upscaled.
const MARGIN: usize = 4;

/// The seed of the noise, the same for every measurement.
const SEED: u64 = 0;

/// An image to measure on.
#[derive(Clone, Debug)]
pub struct Held {
    pub path: PathBuf,
    pub hr: Picture,
    pub lr: Picture,
    pub bicubic: Picture,
}

/// Images to measure on.
#[derive(Debug)]
pub struct Validation {
    images: Vec<Held>,
    scale: usize,
    /// PSNR-Y of their bicubic enlargements in dB, infinite where nothing differs.
    bicubic: Vec<f64>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Means in dB over the images for which neither is infinite: the model's, and
    /// that of bicubic enlargement.
    pub psnr_y: f64,
    pub bicubic_psnr_y: f64,
    /// How many images those are.
    pub counted: usize,
    /// The enlargement of each image.
    pub results: Vec<Picture>,
}

/// What hinders a measurement.
#[derive(Debug, Error)]
pub enum ValidationError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Upscale(#[from] UpscaleError),
    #[error(transparent)]
    Metric(#[from] MetricError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl Validation {
    /// Reads images, and makes their LR images as `evaluate` does.
    ///
    /// # Errors
    /// When none can be used.
    pub fn load(
        paths: &[PathBuf],
        settings: &Settings,
    ) -> Result<(Self, Vec<Skipped>), ValidationError> {
        let scale = settings.scale;
        let multiple = scale * settings.lr_size_multiple();
        let (mut images, mut skipped) = (Vec::new(), Vec::new());
        for path in paths {
            let path = path.clone();
            let picture = match decode(&path, &DecodeOptions::default()) {
                Ok(decoded) => decoded.picture,
                Err(error) => {
                    let reason = error.problem.to_string();
                    skipped.push(Skipped { path, reason });
                    continue;
                }
            };
            let size = [picture.width, picture.height];
            let side = |side: usize| side.min(LONGEST_SIDE) / multiple * multiple;
            let cut = size.map(side);
            // Something is left when the border is shaved off.
            let least = (2 * scale + 1).next_multiple_of(multiple);
            if cut.iter().any(|&side| side < least) {
                let reason = format!("is {}x{}, less than {least}x{least}", size[0], size[1]);
                skipped.push(Skipped { path, reason });
                continue;
            }
            let hr = middle(&picture, cut);
            let lr = hr.resized(cut[0] / scale, cut[1] / scale)?;
            let bicubic = lr.resized(cut[0], cut[1])?;
            images.push(Held {
                path,
                hr,
                lr,
                bicubic,
            });
        }
        if images.is_empty() {
            return Err(DataError::NoImages(skipped).into());
        }
        let mut validation = Self {
            images,
            scale,
            bicubic: Vec::new(),
        };
        let bicubic = validation.images.iter().map(|image| &image.bicubic);
        validation.bicubic = validation.psnr_y(bicubic)?;
        Ok((validation, skipped))
    }

    pub fn images(&self) -> &[Held] {
        &self.images
    }

    /// How many images bicubic enlargement makes exactly, such as flat ones: their
    /// PSNR is infinite, and the means are of the others, if there are any.
    pub fn exact(&self) -> usize {
        self.bicubic.iter().filter(|psnr| !psnr.is_finite()).count()
    }

    /// Enlarges the images with a model, and compares them: by a few steps of the
    /// diffusion, or where the encoder is trained by itself, by its SR head.
    /// `stop` is asked now and then.
    ///
    /// # Errors
    /// When the device fails, the model gives no numbers, or `stop` says so.
    pub fn measure(
        &self,
        model: Model,
        stage: Stage,
        device: &OpenDevice,
        stop: &dyn Fn() -> bool,
    ) -> Result<Measured, ValidationError> {
        let results = match stage {
            Stage::Encoder => self.by_encoder(model, device, stop)?,
            Stage::Denoiser | Stage::Joint | Stage::Distill => {
                self.by_diffusion(model, device, stop)?
            }
        };
        let pairs = self.psnr_y(&results)?.into_iter().zip(self.bicubic.clone());
        let ([psnr_y, bicubic_psnr_y], counted) = means(pairs.collect());
        Ok(Measured {
            psnr_y,
            bicubic_psnr_y,
            counted,
            results,
        })
    }

    /// Of each result.
    fn psnr_y<'a>(
        &self,
        results: impl IntoIterator<Item = &'a Picture>,
    ) -> Result<Vec<f64>, MetricError> {
        let pairs = results.into_iter().zip(&self.images);
        let psnrs = pairs.map(|(result, image)| metrics::psnr_y(result, &image.hr, self.scale));
        psnrs.collect()
    }

    fn by_diffusion(
        &self,
        model: Model,
        device: &OpenDevice,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Picture>, ValidationError> {
        let sample = SampleOptions::seeded(model.settings(), SEED);
        let options = UpscalerOptions {
            // A model that has learnt little may give anything.
            allow_mismatch: true,
            ..UpscalerOptions::default()
        };
        let mut upscaler = Upscaler::on(device, model, &options)?;
        let mut progress = |_| match stop() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let mut upscale = |image: &Held| upscaler.upscale(&image.lr, &sample, &mut progress);
        let results: Result<_, UpscaleError> = self.images.iter().map(&mut upscale).collect();
        Ok(results?)
    }

    fn by_encoder(
        &self,
        model: Model,
        device: &OpenDevice,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Picture>, ValidationError> {
        let settings = model.settings().clone();
        let backend = device.backend(Arc::new(model));
        let mut results = Vec::new();
        for image in &self.images {
            if stop() {
                return Err(UpscaleError::Cancelled.into());
            }
            let size = [image.lr.width, image.lr.height];
            let around = size.map(|side| settings.padded_lr_side(side + 2 * MARGIN));
            let mut graphs = phases::build(
                &settings,
                &PhaseOptions {
                    sr_head: true,
                    ..PhaseOptions::new(around)
                },
            )?;
            graphs.retain(|graph| graph.name == names::IMAGE);
            for value in graphs.iter_mut().flat_map(|graph| &mut graph.values) {
                if value.name == phases::ENCODER_SR {
                    value.role = Role::Output;
                }
            }
            let mut executor = backend.load(&graphs, &PrepareOptions::default())?;
            executor.set_records(&[StepRecord::default()])?;
            let margin = MARGIN as isize;
            let colors = Colors::new(&image.lr, Border::Reflected)?;
            let lr = colors.window([-margin, -margin], around)?;
            executor.write(names::LR, &lr)?;
            executor.run(names::IMAGE, 0)?;
            let planes = executor.read(phases::ENCODER_SR)?;
            if !planes.iter().all(|value| value.is_finite()) {
                return Err(ValidationError::Upscale(UpscaleError::NotFinite {
                    device: device.selected().device.to_string(),
                    precision: device.precision(),
                }));
            }
            results.push(self.cut(&planes, around, &image.lr)?);
        }
        Ok(results)
    }

    /// The enlarged image without its margin.
    fn cut(
        &self,
        planes: &[f32],
        [width, height]: [usize; 2],
        lr: &Picture,
    ) -> Result<Picture, NoMemory> {
        let [width, height, margin] = [width, height, MARGIN].map(|side| side * self.scale);
        let rows = (0..3 * height).filter(|row| row % height >= margin);
        let kept: Vec<f32> = rows
            .flat_map(|row| &planes[row * width + margin..(row + 1) * width])
            .copied()
            .collect();
        picture_from_planes(&kept, width - margin, lr, self.scale)
    }
}

/// Means of both over the pairs of finite numbers, and how many those are; over all
/// pairs if there are none.
fn means(mut pairs: Vec<(f64, f64)>) -> ([f64; 2], usize) {
    let is_finite = |(a, b): &(f64, f64)| a.is_finite() && b.is_finite();
    if pairs.iter().any(is_finite) {
        pairs.retain(is_finite);
    }
    let count = pairs.len();
    let (a, b) = (pairs.iter()).fold((0.0, 0.0), |(a, b), pair| (a + pair.0, b + pair.1));
    ([a, b].map(|sum| sum / count as f64), count)
}

/// The middle of an image in 8 bits, its colours alone.
fn middle(picture: &Picture, [width, height]: [usize; 2]) -> Picture {
    let (left, top) = ((picture.width - width) / 2, (picture.height - height) / 2);
    let rgb = picture.rgb8();
    let rows = rgb.chunks_exact(3 * picture.width).skip(top).take(height);
    let pixels = rows.flat_map(|row| &row[3 * left..3 * (left + width)]);
    Picture::new(width, height, pixels.copied().collect())
}
