//! The arguments, typed.

use super::blend::BlendArgs;
use super::devices::DevicesArgs;
use super::evaluate::args::EvaluateArgs;
use super::examples;
use super::failure::{EXIT_CODES, Failure};
use super::pages::{CompletionsArgs, ManArgs};
pub use super::train::TrainArgs;
pub use super::upscale::UpscaleArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use srdiff::diffusion::{BetaSchedule, Sampler, SamplerError};
use srdiff::exec::gpu::CacheFolder;
use srdiff::image::{Border, MAX_PIXELS};
use srdiff::model::{FloatType, Model, Settings};
use srdiff::upscale::{
    DeviceChoice, FIRST_USE, PrecisionChoice, SampleOptions, TileChoice, Upscaler, UpscalerOptions,
};
use std::path::PathBuf;

/// Diffusion super-resolution on any GPU and on the CPU.
#[derive(Debug, Parser)]
#[command(name = "srdiff", version, arg_required_else_help = true,
          after_help = EXIT_CODES, after_long_help = examples::ALL)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Upscale images: files, folders, patterns, lists of files
    ///
    /// `srdiff photo.jpg` is short for `srdiff upscale photo.jpg`.
    #[command(after_help = EXIT_CODES, after_long_help = examples::UPSCALE)]
    Upscale(UpscaleArgs),
    /// Blend pasted content into an image of full size
    ///
    /// Noise is added to the image and taken away again, so that pasted parts
    /// become parts of it (content fusion).
    #[command(after_help = EXIT_CODES, after_long_help = examples::BLEND)]
    Blend(BlendArgs),
    /// List the devices that images can be upscaled on
    #[command(after_help = examples::DEVICES)]
    Devices(DevicesArgs),
    /// Measure samplers and numbers of steps on a folder of pictures
    ///
    /// Each picture is shrunk (bicubic, as MATLAB does it; with --lr, the small
    /// ones are taken from there) and enlarged again, and the result is compared
    /// with the picture: PSNR and SSIM of the luma, without a border as wide as
    /// the scale; PSNR and SSIM of R, G and B, with the border; SSIMULACRA2.
    /// LR-PSNR compares the result, shrunk, with the small picture. Prints a
    /// Markdown table of the means, and the protocol. A picture that fails is told
    /// and left out of the means, and the exit code is 8 then.
    #[command(after_help = examples::EVALUATE)]
    Evaluate(EvaluateArgs),
    /// Train a model on your own photos
    ///
    /// Photos are cut into patches, which are made smaller as `evaluate` does, and
    /// the model learns to undo that. It begins with the built-in model, another
    /// one, or a new one. What is needed to go on is saved beside the model file.
    #[command(after_help = EXIT_CODES, after_long_help = examples::TRAIN)]
    Train(TrainArgs),
    /// Time the kernels of a GPU, and keep which are the fastest
    ///
    /// The first use of a GPU does this for a few seconds; here, every kernel is
    /// timed several times. Kernels that give wrong results or fail are never
    /// used, and are listed. What was found is kept in the folder SRDIFF_CACHE_DIR
    /// or the user's folder of caches.
    #[cfg(feature = "gpu")]
    #[command(after_help = examples::TUNE)]
    Tune(super::tune::TuneArgs),
    /// Turn a PyTorch checkpoint into a model file
    ///
    /// Reads what torch.save writes, in both of its forms, and runs nothing
    /// that a checkpoint asks for.
    #[command(after_help = examples::CONVERT)]
    Convert(ConvertArgs),
    /// Say what a model file is
    #[command(after_help = examples::INFO)]
    Info(InfoArgs),
    /// Print what would be computed for an image of some size, without running it
    ///
    /// --json prints the whole program for other runtimes: buffers, shaders,
    /// dispatches, step records and the order to run them in, for any GPU within
    /// WebGPU's default limits. It does not depend on --device, --memory-limit,
    /// --tile and --no-tune, and --precision auto is f32 there.
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Print the completions of a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
}

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The checkpoint: .ckpt, .pt, .pth, or its tensors as .safetensors; or a model file, to add a checksum or change its number format
    pub input: PathBuf,
    /// The model file to write, usually .safetensors
    pub output: PathBuf,
    /// Number format to store the weights in [default: f32; of a .safetensors file, what it has]
    #[arg(long, value_enum)]
    pub float_type: Option<FloatFormat>,
    /// Groups of the group norms, which a model that has any needs
    #[arg(long, value_name = "N")]
    pub groups: Option<usize>,
    /// Heads of the attention [default: 4]
    #[arg(long, value_name = "N")]
    pub attention_heads: Option<usize>,
    /// What residuals were multiplied with in training [default: 2]
    #[arg(long, value_name = "X")]
    pub res_rescale: Option<f64>,
    /// Divisor of the enlarged picture in training [default: 256, as in published checkpoints]
    #[arg(long, value_name = "X")]
    pub lr_up_divisor: Option<f64>,
    /// cosine, cosine:S, linear or linear:START:END [default: told from the checkpoint's betas]
    #[arg(long, value_name = "SCHEDULE", value_parser = super::convert::schedule)]
    pub schedule: Option<BetaSchedule>,
    /// Timesteps of the schedule [default: as many as the checkpoint's betas, or 100]
    #[arg(long, value_name = "N")]
    pub timesteps: Option<usize>,
    /// Licence of the weights, best as an SPDX expression
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,
    /// How the weights were trained
    #[arg(long, value_name = "TEXT")]
    pub training: Option<String>,
    /// Where the weights are from [default: the checkpoint's name]
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// Overwrite the model file if it exists
    #[arg(long)]
    pub force: bool,
}

/// A number format of weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FloatFormat {
    F32,
    F16,
    Bf16,
}

impl From<FloatFormat> for FloatType {
    fn from(format: FloatFormat) -> Self {
        match format {
            FloatFormat::F32 => Self::F32,
            FloatFormat::F16 => Self::F16,
            FloatFormat::Bf16 => Self::Bf16,
        }
    }
}

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The model file [default: the built-in 4x model]
    pub model: Option<PathBuf>,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Size of the LR image
    #[arg(value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub size: [usize; 2],
    /// Print JSON, complete enough to run it elsewhere
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Parses `24x16`; clap names the argument.
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| text.parse().ok().filter(|&side: &usize| side > 0);
        Some([side(width)?, side(height)?])
    });
    let [width, height] =
        sides.ok_or_else(|| "give the width and height in pixels, such as 24x16".to_owned())?;
    match width.checked_mul(height) {
        Some(pixels) if pixels as u64 <= MAX_PIXELS => Ok([width, height]),
        _ => Err(format!("images of at most {MAX_PIXELS} pixels are read")),
    }
}

/// Which model runs on which device.
#[derive(Debug, Default, Args)]
pub struct EngineArgs {
    /// The model file [default: the built-in 4x model]
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// auto, cpu, gpu, or an index or part of a name from `srdiff devices`
    #[arg(short, long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// How numbers are stored; auto takes f16 where a GPU has it
    #[arg(short, long, value_enum, default_value = "auto")]
    pub precision: Precision,
    /// Memory that may be used, in MiB [default: what the device has to spare]
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<u64>,
    /// Work in tiles of at most this many pixels of the input, 32 or more a side;
    /// auto or 0: the whole image if it fits the memory, else in tiles that do
    #[arg(short, long, value_name = "auto|PIXELS", default_value = "auto", value_parser = tile)]
    pub tile: TileChoice,
    /// Take results even if they do not match the picture when shrunk
    #[arg(long)]
    pub allow_mismatch: bool,
    /// Take the usual kernels, and not those that were the fastest when they were
    /// timed on this GPU (for a few seconds of its first use, or by `srdiff tune`)
    #[arg(long)]
    pub no_tune: bool,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Precision {
    #[default]
    Auto,
    F32,
    F16,
    /// On CPUs with AVX-512 BF16: faster and less precise
    Bf16,
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => Self::Auto,
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

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

impl EngineArgs {
    /// Opens the model.
    pub fn open_model(&self) -> Result<Model, Failure> {
        Ok(match &self.model {
            Some(path) => Model::open(path)?,
            None => Model::starter(),
        })
    }

    /// Opens the device for a model.
    pub fn open_upscaler(&self, model: Model) -> Result<Upscaler, Failure> {
        let options = UpscalerOptions {
            device: self.device.clone(),
            precision: self.precision.into(),
            memory_limit: self.memory_limit.map(|mib| mib.saturating_mul(1 << 20)),
            allow_mismatch: self.allow_mismatch,
            tile: self.tile,
            tuning: (!self.no_tune).then_some(FIRST_USE),
            cache: CacheFolder::of_user(),
        };
        Ok(Upscaler::new(model, &options)?)
    }
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

/// Parses `auto` or `256`; clap names the option.
fn tile(text: &str) -> Result<TileChoice, String> {
    match text.parse() {
        // As ncnn's tools have it.
        Ok(0) => Ok(TileChoice::Auto),
        Ok(side) => Ok(TileChoice::AtMost(side)),
        Err(_) if text == "auto" => Ok(TileChoice::Auto),
        Err(_) => Err("give auto or a number of pixels, such as 256".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use srdiff::upscale::defaults;

    #[test]
    fn the_arguments_are_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn help_states_the_default_number_of_steps() {
        let help = CommandLine::command()
            .find_subcommand_mut("upscale")
            .map(|command| command.render_long_help().to_string())
            .unwrap();
        let default = format!("number of timesteps [default: {},", defaults::STEPS);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&default), "{help}");
    }
}
