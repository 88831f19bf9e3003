//! Arguments of `train`.

use crate::cli::args::{FloatFormat, Precision, sampler};
use clap::{ArgGroup, Args, ValueEnum};
use srdiff::diffusion::Sampler;
use srdiff::ops::MAX_BATCH;
use srdiff::train::{Decay, Stage};
use srdiff::upscale::DeviceChoice;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("end").args(["steps", "minutes"]).required(true).multiple(true)))]
pub struct TrainArgs {
    /// Photos to learn from: folders, searched with their subfolders, or files
    #[arg(required = true, value_name = "PHOTOS")]
    pub photos: Vec<PathBuf>,
    /// The model file to write, usually .safetensors
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// The model file to begin with [default: the built-in 4x model]
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Begin with a new model of random parameters
    #[arg(long, conflicts_with = "model")]
    pub new: bool,
    /// Of a new model: channels of the noise predictor's first level
    #[arg(long, value_name = "N", default_value_t = 32, requires = "new")]
    pub hidden: usize,
    /// Of a new model: channels of all levels, in units of --hidden
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "1,2,2,4",
        requires = "new"
    )]
    pub mults: Vec<usize>,
    /// Of a new model: features of the encoder
    #[arg(long, value_name = "N", default_value_t = 32, requires = "new")]
    pub features: usize,
    /// Of a new model: blocks (RRDB) of the encoder
    #[arg(long, value_name = "N", default_value_t = 8, requires = "new")]
    pub blocks: usize,
    /// Of a new model: how much larger its results are: 2, 4, 8 or 16
    #[arg(long, value_name = "N", default_value_t = 4, requires = "new")]
    pub scale: usize,
    /// Of a new model: groups of its group norms [default: no norms]
    #[arg(long, value_name = "N", requires = "new")]
    pub groups: Option<usize>,

    /// What to train: the encoder by its own results, the denoiser (noise
    /// predictor) with the encoder as it is, both together, or the denoiser to do
    /// in a few steps what a teacher does in many [default: denoiser; of a new
    /// model, joint]
    #[arg(long, value_enum)]
    pub stage: Option<StageName>,
    /// Steps that the student takes [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub student_steps: Option<u16>,
    /// The teacher, which the student learns from [default: the model to begin with]
    #[arg(long, value_name = "FILE")]
    pub teacher: Option<PathBuf>,
    /// Steps that the teacher takes [default: what it was distilled for, or 8 for each of
    /// the student's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub teacher_steps: Option<u16>,
    /// The teacher's sampler: ddpm, ddim or dpm++ [default: what it was distilled for, or
    /// ddim]
    #[arg(long, value_name = "NAME", value_parser = sampler)]
    pub teacher_sampler: Option<Sampler>,
    /// How differences of the denoiser are averaged
    #[arg(long, value_enum, default_value = "l1")]
    pub loss: Loss,
    /// End after so many steps
    #[arg(short = 'n', long, value_name = "N")]
    pub steps: Option<u64>,
    /// End after so many minutes
    #[arg(long, value_name = "X", value_parser = minutes)]
    pub minutes: Option<Duration>,
    /// Patches of a batch, 1 to 12
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=MAX_BATCH as i64))]
    pub batch: u16,
    /// Batches of a step, for more patches than fit the memory at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub accumulate: u16,
    /// Side of the patches in pixels of the photos
    #[arg(long, value_name = "PIXELS", default_value_t = 96)]
    pub patch: usize,
    /// The highest learning rate
    #[arg(long, value_name = "X", default_value_t = 2e-4, value_parser = positive)]
    pub rate: f64,
    /// Steps in which the rate rises
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub warm_up: u64,
    /// How the rate falls afterwards: cosine, constant, step (to a half each
    /// quarter of the training) or step:N (to a half every N steps)
    #[arg(long, value_name = "HOW", default_value = "cosine", value_parser = decay)]
    pub decay: Decay,
    /// Weight decay, as AdamW's
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = fraction)]
    pub weight_decay: f64,
    /// The largest norm of the gradients; larger ones are scaled down
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = positive)]
    pub clip: f64,
    /// What each step keeps of the averaged parameters, which become the model file
    #[arg(long, value_name = "X", default_value_t = 0.999, value_parser = fraction)]
    pub average: f64,
    /// Compute parts of the model twice to need less memory: in 1 (not at all) to
    /// 64 parts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub recompute: u16,
    /// Seed of everything random [default: a random one, which is printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Compress what the model sees as JPEG, each patch with a quality from this
    /// range, such as 30..95
    #[arg(long, value_name = "MIN..MAX", value_parser = quality)]
    pub jpeg: Option<RangeInclusive<u8>>,
    /// Add noise to what the model sees, each patch with a standard deviation from
    /// this range, in levels of 8 bits, such as 0..10
    #[arg(long, value_name = "MIN..MAX", value_parser = sigma)]
    pub noise: Option<RangeInclusive<f64>>,
    /// Share of the patches that are drawn and not cut out of photos, 0 to 1: flat
    /// colours, shapes and lines, which photos hardly show
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub drawings: f64,
    /// Take JPEG photos as they are. Otherwise, those of 800 pixels a side or more are
    /// made half as large, which hides the traces of their compression
    #[arg(long)]
    pub full_size: bool,
    /// Memory for decoded photos, in MiB; others are decoded again and again
    /// [default: half of what is free]
    #[arg(long, value_name = "MIB")]
    pub photo_memory: Option<u64>,
    /// Threads that prepare batches [default: half of the cores, 8 at most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,

    /// Measure PSNR-Y on the photos of a folder, which are not learnt from (the middle
    /// 512 pixels a side of larger ones), every --every steps and at the end
    #[arg(long, value_name = "FOLDER")]
    pub validate: Option<PathBuf>,
    /// Write events for TensorBoard into a folder
    #[arg(long, value_name = "FOLDER")]
    pub events: Option<PathBuf>,
    /// Save every N steps; every ten minutes and at the end it is saved anyway
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub every: u64,
    /// Tell how it goes every N steps
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub log: u64,
    /// Where to save what is needed to go on [default: beside the model file]
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Go on where the checkpoint was saved, with the same options as before
    #[arg(long)]
    pub resume: bool,

    /// auto, cpu, gpu, or an index or part of a name from `srdiff devices`
    #[arg(short, long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Threads that compute on the CPU [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How numbers between layers are stored; parameters are f32. auto is f32
    #[arg(short, long, value_enum, default_value = "auto")]
    pub precision: Precision,
    /// Number format of the model file
    #[arg(long, value_enum, default_value = "f32")]
    pub float_type: FloatFormat,
    /// Licence of the model, best as an SPDX expression [default: that of the model
    /// that was begun with]
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,
    /// Overwrite the model file, the checkpoint and the picture of --validate if they
    /// exist
    #[arg(long)]
    pub force: bool,
    /// Print how it goes as JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageName {
    Encoder,
    Denoiser,
    Joint,
    Distill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    L1,
    L2,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Encoder => Self::Encoder,
            StageName::Denoiser => Self::Denoiser,
            StageName::Joint => Self::Joint,
            StageName::Distill => Self::Distill,
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|x: &f64| x.is_finite() && *x > 0.0);
    number.ok_or_else(|| "give a number above 0".to_owned())
}

fn minutes(text: &str) -> Result<Duration, String> {
    let time = positive(text)?;
    Duration::try_from_secs_f64(60.0 * time).map_err(|_| "give fewer minutes".to_owned())
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x| (0.0..1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to below 1".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x| (0.0..=1.0).contains(x));
    number.ok_or_else(|| "give a number from 0 to 1".to_owned())
}

/// Parses `cosine`, `constant`, `step` or `step:N`.
fn decay(text: &str) -> Result<Decay, String> {
    let every = |text: &str| text.parse().ok().filter(|&every| every > 0);
    match text.split_once(':') {
        None if text == "cosine" => Ok(Decay::Cosine),
        None if text == "constant" => Ok(Decay::Constant),
        None if text == "step" => Ok(Decay::Step(None)),
        Some(("step", number)) if every(number).is_some() => Ok(Decay::Step(every(number))),
        _ => Err("choose cosine, constant, step or step:N".to_owned()),
    }
}

/// Parses `30..95`, or one number.
fn range<T: FromStr + Copy + PartialOrd>(
    text: &str,
    allowed: &RangeInclusive<T>,
) -> Option<RangeInclusive<T>> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    let fits = allowed.contains(&least) && allowed.contains(&most) && least <= most;
    fits.then_some(least..=most)
}

fn quality(text: &str) -> Result<RangeInclusive<u8>, String> {
    range(text, &(1..=100)).ok_or_else(|| "give qualities from 1 to 100, such as 30..95".to_owned())
}

fn sigma(text: &str) -> Result<RangeInclusive<f64>, String> {
    let found = range(text, &(0.0..=100.0));
    found.ok_or_else(|| "give deviations from 0 to 100, such as 0..10".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_decays_are_parsed() {
        assert_eq!(quality("30..95"), Ok(30..=95));
        assert_eq!(quality("80"), Ok(80..=80));
        assert_eq!(sigma("0..2.5"), Ok(0.0..=2.5));
        for wrong in ["", "0..50", "50..101", "90..10", "a..b", "1..2..3"] {
            assert!(quality(wrong).is_err(), "{wrong}");
        }
        for wrong in ["-1..2", "NaN", "0..1000", ".."] {
            assert!(sigma(wrong).is_err(), "{wrong}");
        }
        assert_eq!(decay("cosine"), Ok(Decay::Cosine));
        assert_eq!(decay("step"), Ok(Decay::Step(None)));
        assert_eq!(decay("step:100"), Ok(Decay::Step(Some(100))));
        for wrong in ["", "step:", "step:0", "cosine:3", "linear"] {
            assert!(decay(wrong).is_err(), "{wrong}");
        }
    }
}
