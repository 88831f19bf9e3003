//! How a picture is made from noise.

use crate::cli::failure::Failure;
use clap::Args;
use srdiff::diffusion::{Sampler, SamplerError};
use srdiff::image::Border;
use srdiff::model::Settings;
use srdiff::upscale::SampleOptions;

/// How a picture is made from noise.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// The sampler: ddpm, ddim or dpm++ [default: ddpm, or what the model was
    /// distilled for]
    #[arg(long, value_name = "NAME", value_parser = sampler)]
    pub sampler: Option<Sampler>,
    /// Noise that each step of ddim adds, from 0 (none) to 1 (as much as ddpm)
    #[arg(long, value_name = "X")]
    pub eta: Option<f64>,
    /// Steps, from 1 to the model's number of timesteps [default: 5, or as many as
    /// the model was distilled for]
    #[arg(short = 'n', long, value_name = "N", value_parser = steps)]
    pub steps: Option<usize>,
    /// Seed of the noise: the same seed, the same result [default: a random one, which is printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Make results that shrink to the image itself: more faithful, a little slower. Hard edges
    /// and colours that were cut off at black or white do so only nearly, and so do results that
    /// are shrunk or enlarged again to another size
    #[arg(long)]
    pub consistent: bool,
    /// Factor of the noise that each step adds: 0 is smooth, 1 as trained, 1.25 (the most)
    /// rough; for ddpm, and for ddim with an --eta above 0
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub strength: f64,
    /// The image is a tileable texture: make a result that is tileable, too
    #[arg(long)]
    pub wrap: bool,
}

impl SamplingArgs {
    /// The sampler, with eta where it takes one; `default` if none was given.
    fn sampler(&self, default: Sampler) -> Result<Sampler, Failure> {
        match (self.sampler.unwrap_or(default), self.eta) {
            (sampler, None) => Ok(sampler),
            (Sampler::Ddim { .. }, Some(eta)) => Ok(Sampler::Ddim { eta }),
            (sampler, Some(_)) => Err(Failure::Usage(format!(
                "--eta: {sampler} has none; use it with --sampler ddim"
            ))),
        }
    }

    /// Refuses a strength that would change nothing.
    pub fn check_strength(&self, sampler: Sampler, steps: usize) -> Result<(), Failure> {
        if self.strength == 1.0 || adds_noise(sampler, steps) {
            return Ok(());
        }
        Err(Failure::Usage(match has_noise(sampler) {
            false => format!("--strength: {sampler} adds no noise; use it with --sampler ddpm"),
            true => "--strength: one step adds no noise; leave it out, or take more --steps".into(),
        }))
    }

    /// All of it, with what was not given filled in.
    pub fn sample(&self, settings: &Settings) -> Result<SampleOptions, Failure> {
        // Short enough to be typed.
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let defaults = SampleOptions::seeded(settings, seed);
        let sampler = self.sampler(defaults.sampler)?;
        let steps = self.steps.unwrap_or(defaults.steps);
        self.check_strength(sampler, steps)?;
        Ok(SampleOptions {
            sampler,
            steps,
            border: match self.wrap {
                true => Border::Wrapped,
                false => Border::Reflected,
            },
            consistent: self.consistent,
            strength: self.strength,
            ..defaults
        })
    }
}

/// Whether so many steps of a sampler add noise. The last, which gives the result, adds
/// none.
pub fn adds_noise(sampler: Sampler, steps: usize) -> bool {
    has_noise(sampler) && steps > 1
}

/// Whether the steps of a sampler add noise.
pub fn has_noise(sampler: Sampler) -> bool {
    match sampler {
        Sampler::Ddpm => true,
        Sampler::Ddim { eta } => eta > 0.0,
        Sampler::DpmSolverPlusPlus2M => false,
    }
}

/// Parses a number of steps; clap names the option.
pub fn steps(text: &str) -> Result<usize, String> {
    let advice = "give a number of steps; a model is named with --model FILE";
    text.parse().map_err(|_| advice.to_owned())
}

/// Parses a sampler; clap names the option.
pub fn sampler(name: &str) -> Result<Sampler, String> {
    name.parse().map_err(|error| match error {
        SamplerError::Name(_) => "choose ddpm, ddim or dpm++".to_owned(),
        // The eta of `ddim:2`, not that of --eta, which `evaluate` does not have.
        error => error.to_string().replace('`', ""),
    })
}
