//! Batches of patches.

use super::crop::{Symmetry, crop, push_planes};
use super::degrade::Degradation;
use super::drawings::{draw, widen_tails};
use super::draws::Draws;
use super::resize::Resizer;
use super::{DataError, Photos};
use crate::diffusion::Schedule;
use crate::model::Settings;
use crate::train::{Batch, Distillation, NoisePredictorBatch, Stage};

/// What batches are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOptions {
    pub stage: Stage,
    /// Images of a batch.
    pub batch: usize,
    /// Side of the LR patches.
    pub lr_side: usize,
    pub degradation: Degradation,
    /// Share of the patches that are drawn, with flat areas, shapes and lines, and
    /// not cut out of photos: 0 to 1.
    pub drawings: f64,
    pub seed: u64,
    /// What is distilled: all images of a batch are of one timestep that the
    /// student visits then, and of any otherwise.
    pub distillation: Option<Distillation>,
}

/// Makes batches, each a function of its number.
pub struct Batches {
    photos: Photos,
    settings: Settings,
    schedule: Schedule,
    options: BatchOptions,
    enlarger: Resizer,
    shrinker: Resizer,
    /// Of a student, with how likely each is.
    visited: Vec<(usize, f64)>,
}

/// The number among a batch's images that draws what the whole batch shares.
const WHOLE_BATCH: u32 = u32::MAX;

impl Batches {
    /// # Errors
    /// When the model has no noise schedule, a student more steps than it, or the
    /// host no memory.
    pub fn new(
        photos: Photos,
        settings: &Settings,
        options: BatchOptions,
    ) -> Result<Self, DataError> {
        let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
        let visited = match &options.distillation {
            Some(distillation) => distillation.timesteps(&schedule)?,
            None => Vec::new(),
        };
        let (lr_side, hr_side) = (options.lr_side, options.lr_side * settings.scale);
        Ok(Self {
            enlarger: Resizer::new(lr_side, hr_side)?,
            shrinker: Resizer::new(hr_side, lr_side)?,
            schedule,
            visited,
            settings: settings.clone(),
            photos,
            options,
        })
    }

    pub fn photos(&self) -> &Photos {
        &self.photos
    }

    pub fn options(&self) -> &BatchOptions {
        &self.options
    }

    /// # Errors
    /// When an image that has to be decoded again has changed or is gone.
    pub fn make(&self, number: u64) -> Result<Batch, DataError> {
        let BatchOptions {
            stage,
            batch: count,
            lr_side,
            ref degradation,
            drawings,
            seed,
            ..
        } = self.options;
        let hr_side = lr_side * self.settings.scale;
        let (mut lr, mut hr, mut up) = (Vec::new(), Vec::new(), Vec::new());
        let (mut eps, mut timesteps) = (Vec::new(), Vec::new());
        let shared = self.shared_timestep(Draws::new(seed, number, WHOLE_BATCH).unit());
        for image in 0..count {
            let mut draws = Draws::new(seed, number, image as u32);
            // Batches of photos alone take one number less.
            let is_drawn = drawings > 0.0 && draws.unit() < drawings;
            let [small, large] = match is_drawn {
                true => {
                    let large = draw(hr_side, &mut draws);
                    [self.shrinker.rgb8(&large), large]
                }
                false => self.cut_out(&mut draws)?,
            };
            let small = degradation.apply(small, lr_side, &mut draws)?;
            push_planes(&mut lr, &small, |v| f32::from(v) / 255.0);
            push_planes(&mut hr, &large, |v| f32::from(v) / 127.5 - 1.0);
            if stage.trains_denoiser() {
                let factor = (self.settings.up_factor() / 255.0) as f32;
                (self.enlarger).push_planes(&mut up, &small, |value| value * factor - 1.0);
                let any = draws.below(self.settings.timesteps as u64) as usize;
                timesteps.push(shared.unwrap_or(any));
                let start = eps.len();
                eps.resize(start + 3 * hr_side * hr_side, 0.0);
                draws.fill_normal(&mut eps[start..]);
                if is_drawn {
                    widen_tails(&mut eps[start..], &mut draws);
                }
            }
        }
        let denoiser = match stage.trains_denoiser() {
            true => {
                NoisePredictorBatch::new(&self.settings, &self.schedule, [&hr, &up], eps, timesteps)
            }
            false => NoisePredictorBatch::default(),
        };
        Ok(Batch { lr, hr, denoiser })
    }

    /// A patch of a photo, LR and HR.
    fn cut_out(&self, draws: &mut Draws) -> Result<[Vec<u8>; 2], DataError> {
        let (lr_side, scale) = (self.options.lr_side, self.settings.scale);
        let drawn = self.photos.with_pixel(draws.below(self.photos.pixels()))?;
        let [width, _] = drawn.lr_size;
        let corner = (drawn.lr_size).map(|s| draws.below((s - lr_side + 1) as u64) as usize);
        let symmetry = Symmetry::new(draws.below(Symmetry::COUNT));
        let small = crop(&drawn.lr, width, corner, lr_side, symmetry);
        let (width, corner) = (width * scale, corner.map(|at| at * scale));
        let large = crop(&drawn.hr, width, corner, lr_side * scale, symmetry);
        Ok([small, large])
    }

    /// The timestep of a whole batch, of which a number in [0, 1) decides.
    fn shared_timestep(&self, unit: f64) -> Option<usize> {
        let mut up_to = 0.0;
        let drawn = self.visited.iter().find(|(_, likely)| {
            up_to += likely;
            unit < up_to
        });
        Some(drawn.or(self.visited.last())?.0)
    }
}
