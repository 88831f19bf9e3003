//! Batches of crops.

use super::degrade::Degradation;
use super::draws::Draws;
use super::images::Images;
use crate::diffusion::noise::normal4;
use crate::diffusion::{Schedule, ScheduleError};
use crate::image::bicubic;
use crate::model::Settings;
use crate::train::{Batch, NoisePredictorBatch, Stage};

/// What a seed of crops differs in from that of their noise.
const NOISE_SEED: u64 = 0x9E37_79B9_7F4A_7C15;

#[derive(Clone, Debug, PartialEq)]
pub struct CropOptions {
    pub stage: Stage,
    /// Crops of a batch.
    pub batch: usize,
    /// Side of HR crops: a multiple of the scale.
    pub side: usize,
    pub degradation: Degradation,
    pub seed: u64,
}

/// Makes batches of random crops.
pub struct Crops {
    images: Images,
    settings: Settings,
    schedule: Schedule,
    options: CropOptions,
}

/// A crop as planes, `[3, side, side]`.
struct Crop {
    hr: Vec<f32>,
    lr: Vec<f32>,
    up: Vec<f32>,
}

impl Crops {
    /// # Errors
    /// When the settings have no valid schedule.
    pub fn new(
        images: Images,
        settings: Settings,
        options: CropOptions,
    ) -> Result<Self, ScheduleError> {
        Ok(Self {
            schedule: Schedule::new(&settings.schedule, settings.timesteps)?,
            images,
            settings,
            options,
        })
    }

    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Batch `index`.
    ///
    /// # Errors
    /// When no image can be read.
    pub fn batch(&self, index: u64) -> Result<Batch, String> {
        let CropOptions {
            stage, batch, seed, ..
        } = self.options;
        let mut draws = Draws::new(seed, index);
        let (mut lr, mut hr, mut up) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..batch {
            let crop = self.crop(&mut draws)?;
            lr.extend(crop.lr);
            hr.extend(crop.hr);
            up.extend(crop.up);
        }
        let mut denoiser = NoisePredictorBatch::default();
        if stage.trains_denoiser() {
            let timesteps = (0..batch).map(|_| draws.below(self.settings.timesteps));
            let timesteps: Vec<usize> = timesteps.collect();
            let eps = self.noise(index);
            let images = [&hr[..], &up[..]];
            denoiser =
                NoisePredictorBatch::new(&self.settings, &self.schedule, images, eps, timesteps);
        }
        if !stage.trains_encoder() {
            hr.clear();
        }
        Ok(Batch { lr, hr, denoiser })
    }

    /// A random crop of a random image, turned and mirrored in one of 8 ways.
    fn crop(&self, draws: &mut Draws) -> Result<Crop, String> {
        let (scale, side) = (self.settings.scale, self.options.side);
        let small = side / scale;
        let (file, loaded) =
            (self.images.draw(draws)).ok_or("none of the training images can be read")?;
        let [width, height] = file.size;
        let mut place = |length: usize| draws.below(length / scale - small + 1);
        let (left, top) = (place(width), place(height));
        let way = draws.below(8);
        let hr = cut(&loaded.hr, width, [left * scale, top * scale], side, way);
        let mut lr = cut(&loaded.lr, width / scale, [left, top], small, way);
        self.options.degradation.apply(&mut lr, [small; 2], draws)?;
        let up = bicubic::resize(&lr, [small; 2], 3, [side; 2])
            .map_err(|_| "the system has no memory for a crop".to_owned())?;
        let factor = self.settings.up_factor();
        Ok(Crop {
            hr: planes(&hr, |v| (f64::from(v) / 127.5 - 1.0) as f32),
            lr: planes(&lr, |v| f32::from(v) / 255.0),
            up: planes(&up, |v| (v / 255.0 * factor - 1.0) as f32),
        })
    }

    /// Standard normal numbers for a batch, `[n, 3, side, side]`.
    fn noise(&self, index: u64) -> Vec<f32> {
        let CropOptions {
            batch, side, seed, ..
        } = self.options;
        let pixels = side * side;
        let mut eps = vec![0.0; batch * 3 * pixels];
        for (n, eps) in eps.chunks_exact_mut(3 * pixels).enumerate() {
            let sample = (index * batch as u64 + n as u64) as u32;
            for p in 0..pixels {
                let (x, y) = ((p % side) as u32, (p / side) as u32);
                let normals = normal4(seed ^ NOISE_SEED, x, y, sample, 0, 0);
                for (c, normal) in normals.into_iter().take(3).enumerate() {
                    eps[c * pixels + p] = normal;
                }
            }
        }
        eps
    }
}

/// A square of an image, R, G and B of each pixel, in one of 8 ways.
fn cut(rgb: &[u8], width: usize, [left, top]: [usize; 2], side: usize, way: usize) -> Vec<u8> {
    let mut square = Vec::with_capacity(3 * side * side);
    for i in 0..side {
        for j in 0..side {
            let [mut i, mut j] = [i, j];
            if way & 4 != 0 {
                (i, j) = (j, i);
            }
            if way & 1 != 0 {
                i = side - 1 - i;
            }
            if way & 2 != 0 {
                j = side - 1 - j;
            }
            let at = 3 * ((top + i) * width + left + j);
            square.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    square
}

/// Interleaved samples as planes.
fn planes<T: Copy>(rgb: &[T], value: impl Fn(T) -> f32) -> Vec<f32> {
    let channel = |c: usize| rgb.iter().skip(c).step_by(3).map(|&v| value(v));
    (0..3).flat_map(channel).collect()
}
