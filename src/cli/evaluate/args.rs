//! Arguments of `evaluate`.

use crate::cli::args::{EngineArgs, sampler, steps};
use crate::cli::failure::Failure;
use clap::Args;
use srdiff::diffusion::Sampler;
use srdiff::image::MAX_PIXELS;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The folder of full-size (HR) pictures
    #[arg(required_unless_present = "hr", conflicts_with = "hr")]
    folder: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, value_name = "FOLDER")]
    hr: Option<PathBuf>,
    /// The folder of small (LR) pictures [default: made from the HR pictures]
    ///
    /// Pictures belong together by the names of their files: head.png to
    /// head.png, headx4.png, head_LRBI_x4.png and the like.
    #[arg(long, value_name = "FOLDER")]
    pub lr: Option<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Take results even if they do not match the picture when shrunk
    #[arg(long)]
    pub allow_mismatch: bool,
    /// Samplers to measure (ddim:0.5 is ddim with an eta of 0.5)
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          default_value = "ddpm,ddim,dpm++", value_parser = sampler)]
    pub samplers: Vec<Sampler>,
    /// Numbers of steps to measure [default: 5,10,20,50,100, as far as the
    /// model has timesteps, or those that it was distilled for]
    #[arg(short = 'n', long, value_name = "LIST", value_delimiter = ',', value_parser = steps)]
    pub steps: Option<Vec<usize>>,
    /// Make results that shrink to the image itself
    #[arg(long)]
    pub consistent: bool,
    /// Factor of the noise that each step adds: 0 is smooth, 1 as trained, 1.25 (the most)
    /// rough; for ddpm, and for ddim:ETA with an ETA above 0
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub strength: f64,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Results of each picture, from different noise; measures are their
    /// means, and from 2 on the pixel sigma says how much they differ
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub samples: u32,
    /// Write every picture's measures, the means and the protocol as JSON; - is standard
    /// output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write every picture's measures and the means as CSV; lines that start
    /// with # are the protocol. - is standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write pictures to compare by eye: one .png file, or a folder of them
    ///
    /// From left to right: LR, bicubic, the result of each sampler and number
    /// of steps in the order of the table, HR. Below each, the same part of it
    /// four times as large, the one with most detail in HR.
    #[arg(long, value_name = "FILE.png|FOLDER")]
    pub grid: Option<PathBuf>,
    /// Overwrite files that exist
    #[arg(long)]
    pub force: bool,
    /// Refuse a picture of more pixels
    #[arg(long, value_name = "N", default_value_t = MAX_PIXELS,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pixels: u64,
}

impl EvaluateArgs {
    /// The folder of HR pictures.
    pub fn hr(&self) -> Result<&Path, Failure> {
        let folder = self.hr.as_ref().or(self.folder.as_ref());
        folder
            .map(PathBuf::as_path)
            .ok_or_else(|| Failure::Usage("--hr: name the folder of full-size pictures".to_owned()))
    }
}
