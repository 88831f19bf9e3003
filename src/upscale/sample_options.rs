//! How the reverse process runs.

use super::defaults;
use crate::diffusion::{Process, Sampler};
use crate::image::Border;
use crate::model::Settings;

/// How the reverse process runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions {
    pub sampler: Sampler,
    /// Steps, from 1 to the timesteps of the model's schedule.
    pub steps: usize,
    /// The same seed gives the same result.
    pub seed: u64,
    /// Index of the result among those of one seed.
    pub sample: u32,
    /// What lies beyond the image's edges; wrapped, the result tiles a plane.
    pub border: Border,
    /// Whether results are corrected until they shrink to the image itself, as nearly
    /// as colours between black and white can.
    pub consistent: bool,
    /// Factor of the noise that each step adds, from 0 (smooth) to
    /// [`MOST_STRENGTH`]; 1 is what the sampler asks for.
    pub strength: f64,
    /// Another seed, and how far the noise is on the way to its noise, from 0 to 1.
    /// In between, results change gradually from one seed's to the other's. The same
    /// seed changes nothing.
    pub toward: Option<(u64, f64)>,
}

/// The largest [`SampleOptions::strength`]: from about 1.15 on, noise stays.
pub const MOST_STRENGTH: f64 = 1.25;

impl SampleOptions {
    /// The [defaults] for a model, with a seed.
    pub fn seeded(settings: &Settings, seed: u64) -> Self {
        let Process { sampler, steps } = defaults::process(settings);
        Self {
            sampler,
            steps,
            seed,
            ..Self::default()
        }
    }
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            sampler: defaults::SAMPLER,
            steps: defaults::STEPS,
            seed: 0,
            sample: 0,
            border: Border::Reflected,
            consistent: false,
            strength: 1.0,
            toward: None,
        }
    }
}

impl SampleOptions {
    /// Whether there is work between the phases of a step that the host does.
    pub(super) fn needs_canvas(&self) -> bool {
        self.border == Border::Wrapped || self.consistent || self.other_noise().is_some()
    }

    /// The seed that the noise is on the way to, and the factors of both seeds'
    /// noise. Of one and the same seed, the sum would have another variance.
    pub(super) fn other_noise(&self) -> Option<(u64, [f32; 2])> {
        let (seed, way) = self.toward.filter(|(seed, _)| *seed != self.seed)?;
        // Of unit variance all the way.
        let angle = way * std::f64::consts::FRAC_PI_2;
        Some((seed, [angle.cos() as f32, angle.sin() as f32]))
    }
}
