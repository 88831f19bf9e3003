//! The arguments, typed.

mod engine;
mod sampling;

pub use super::train::TrainArgs;
pub use super::upscale::UpscaleArgs;
pub use engine::{EngineArgs, Precision};
pub use sampling::{SamplingArgs, adds_noise, has_noise, sampler, steps};

use super::blend::BlendArgs;
use super::devices::DevicesArgs;
use super::evaluate::args::EvaluateArgs;
use super::examples;
use super::failure::EXIT_CODES;
use super::pages::{CompletionsArgs, ManArgs};
use clap::{Args, Parser, Subcommand, ValueEnum};
use srdiff::diffusion::BetaSchedule;
use srdiff::image::MAX_PIXELS;
use srdiff::model::FloatType;
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
