//! Arguments of `train`.

use crate::cli::args::Precision;
use clap::{Args, ValueEnum};
use srdiff::train::{Decay, Stage};
use srdiff::upscale::DeviceChoice;
use std::path::PathBuf;

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageArg {
    /// The encoder by itself, on the difference between its own image and HR
    Encoder,
    /// The noise predictor, with the encoder as it is
    Denoiser,
    /// Both together
    Joint,
}

impl StageArg {
    pub fn stage(self) -> Stage {
        match self {
            Self::Encoder => Stage::Encoder,
            Self::Denoiser => Stage::Denoiser,
            Self::Joint => Stage::Joint,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NormArg {
    L1,
    L2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FloatArg {
    F16,
    F32,
}

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Images, and folders of them with their subfolders
    #[arg(required = true, value_name = "IMAGES")]
    pub images: Vec<PathBuf>,
    /// The model file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The model to begin with [default: the built-in 4x model]
    #[arg(short, long, value_name = "FILE", conflicts_with = "new")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub new: NewArgs,
    /// What is trained
    #[arg(long, value_enum, default_value = "denoiser")]
    pub stage: StageArg,
    /// Steps of the optimizer
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Train for this time, however many steps that is
    #[arg(long, value_name = "M", conflicts_with = "steps", value_parser = positive)]
    pub minutes: Option<f64>,
    /// Crops that are computed at once
    #[arg(short, long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=12))]
    pub batch: u16,
    /// Batches of a step: a step on 32 crops is --batch 8 --accumulate 4
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub accumulate: u16,
    /// Side of the crops in pixels, before they are made small
    #[arg(long, value_name = "PIXELS", default_value_t = 96)]
    pub patch: usize,
    /// Learning rate after the warm-up
    #[arg(long, value_name = "X", default_value_t = 2e-4, value_parser = positive)]
    pub rate: f64,
    /// Steps in which the learning rate grows
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub warm_up: u64,
    /// How the learning rate falls: cosine, constant, or a number of steps after which
    /// it is halved
    #[arg(long, value_name = "RULE", default_value = "cosine", value_parser = decay)]
    pub decay: Decay,
    /// Weight decay, that of AdamW
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    pub weight_decay: f32,
    /// The largest norm of a step's gradients
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = positive)]
    pub clip: f64,
    /// Share of the old parameters in the averages, which become the model
    #[arg(long, value_name = "X", default_value_t = 0.9995, value_parser = share)]
    pub average: f64,
    /// How the noise predictor's differences are averaged
    #[arg(long, value_enum, default_value = "l1")]
    pub loss: NormArg,
    /// Compress small crops as JPEG, with qualities from MIN to MAX: for photos that are
    #[arg(long, value_name = "MIN..MAX", value_parser = qualities)]
    pub jpeg: Option<[u8; 2]>,
    /// Add noise to small crops, with standard deviations of MIN to MAX levels
    #[arg(long, value_name = "MIN..MAX", value_parser = deviations)]
    pub noise: Option<Deviations>,
    /// Seed of crops and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Compute what a backward pass needs again in N segments, and do not keep it:
    /// less memory, more time
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub recompute: u16,
    /// Where the run is saved, to go on later [default: the output with .checkpoint]
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Go on where the checkpoint was saved
    #[arg(long)]
    pub resume: bool,
    /// Steps after which the run is saved
    #[arg(long, value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub every: u64,
    /// Number format of the model file
    #[arg(long, value_enum, default_value = "f16")]
    pub float: FloatArg,
    /// Licence of the model, preferably an SPDX expression
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,
    /// auto, cpu, gpu, or an index or part of a name from `srdiff devices`
    #[arg(short, long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// How numbers are stored; auto is f32
    #[arg(short, long, value_enum, default_value = "auto")]
    pub precision: Precision,
    /// Threads that make crops
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Replace the output and the checkpoint
    #[arg(long)]
    pub force: bool,
    /// Print a line of JSON for every report
    #[arg(long)]
    pub json: bool,
}

/// A new model.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Begin with random parameters
    #[arg(long)]
    pub new: bool,
    /// Enlargement of a new model
    #[arg(long, value_name = "S", default_value_t = 4, requires = "new")]
    pub scale: usize,
    /// Channels of a new model's noise predictor
    #[arg(long, value_name = "N", default_value_t = 32, requires = "new")]
    pub hidden: usize,
    /// Multiples of these channels, level by level
    #[arg(
        long,
        value_name = "N,..",
        default_value = "1,2,2,4",
        value_delimiter = ',',
        requires = "new"
    )]
    pub mults: Vec<usize>,
    /// Channels of a new model's encoder
    #[arg(long, value_name = "N", default_value_t = 32, requires = "new")]
    pub features: usize,
    /// Blocks of a new model's encoder
    #[arg(long, value_name = "N", default_value_t = 8, requires = "new")]
    pub blocks: usize,
    /// Groups of group normalisation; 0 for none
    #[arg(long, value_name = "N", default_value_t = 0, requires = "new")]
    pub groups: usize,
}

/// A range of standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviations(pub [f64; 2]);

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "give a number above 0".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| (0.0..1.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to below 1".to_owned())
}

fn decay(text: &str) -> Result<Decay, String> {
    match text {
        "cosine" => Ok(Decay::Cosine),
        "constant" => Ok(Decay::Constant),
        _ => {
            let every = text.parse().ok().filter(|&every: &u64| every > 0);
            let every = every.ok_or("give cosine, constant, or a number of steps")?;
            Ok(Decay::Halving { every })
        }
    }
}

fn range<T: std::str::FromStr + PartialOrd + Copy>(text: &str) -> Option<[T; 2]> {
    let (low, high) = text.split_once("..")?;
    let range = [low.parse().ok()?, high.parse().ok()?];
    (range[0] <= range[1]).then_some(range)
}

fn qualities(text: &str) -> Result<[u8; 2], String> {
    let range = range(text).filter(|range: &[u8; 2]| range[0] >= 1 && range[1] <= 100);
    range.ok_or_else(|| "give two qualities from 1 to 100, such as 40..95".to_owned())
}

fn deviations(text: &str) -> Result<Deviations, String> {
    let range = range(text).filter(|range: &[f64; 2]| range[0] >= 0.0 && range[1] <= 255.0);
    let range = range.ok_or("give two numbers of levels from 0 to 255, such as 0..5")?;
    Ok(Deviations(range))
}
