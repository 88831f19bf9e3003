//! What the trainer is shown at once.

use crate::diffusion::Schedule;
use crate::model::Settings;

/// Images of a batch. Elements are `[n, 3, h, w]`, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// LR images in [0, 1].
    pub lr: Vec<f32>,
    /// HR images in [-1, 1], for the encoder.
    pub hr: Vec<f32>,
    pub denoiser: NoisePredictorBatch,
}

/// What the noise predictor sees, and what it is to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoisePredictorBatch {
    pub x_t: Vec<f32>,
    pub eps: Vec<f32>,
    /// One for each image.
    pub timesteps: Vec<usize>,
}

impl NoisePredictorBatch {
    /// Mixes residuals with noise (SRDiff section 3.1):
    /// `x_0 = clamp((hr - up) * res_rescale, -1, 1)` and
    /// `x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`.
    ///
    /// `hr` and `up`, the bicubic enlargement of LR, are in [-1, 1].
    ///
    /// # Panics
    /// When the arrays differ in length, or do not divide into as many images
    /// as there are timesteps.
    pub fn new(
        settings: &Settings,
        schedule: &Schedule,
        [hr, up]: [&[f32]; 2],
        eps: Vec<f32>,
        timesteps: Vec<usize>,
    ) -> Self {
        assert!(
            hr.len() == up.len() && hr.len() == eps.len(),
            "a batch of {} HR, {} enlarged and {} noise elements",
            hr.len(),
            up.len(),
            eps.len()
        );
        assert!(
            !timesteps.is_empty() && eps.len().is_multiple_of(timesteps.len()),
            "{} elements are not {} images",
            eps.len(),
            timesteps.len()
        );
        let of_image = eps.len() / timesteps.len();
        let rescale = settings.res_rescale as f32;
        let mut x_t = Vec::with_capacity(eps.len());
        for (n, &t) in timesteps.iter().enumerate() {
            let abar = schedule.alphas_cumprod()[t];
            let (signal, noise) = (abar.sqrt() as f32, (1.0 - abar).sqrt() as f32);
            let image = n * of_image..(n + 1) * of_image;
            let pixels = hr[image.clone()].iter().zip(&up[image.clone()]);
            x_t.extend(pixels.zip(&eps[image]).map(|((hr, up), eps)| {
                let x_0 = ((hr - up) * rescale).clamp(-1.0, 1.0);
                signal * x_0 + noise * eps
            }));
        }
        Self {
            x_t,
            eps,
            timesteps,
        }
    }
}
