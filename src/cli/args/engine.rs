//! Which model runs on which device.

use crate::cli::failure::Failure;
use clap::{Args, ValueEnum};
use srdiff::exec::gpu::CacheFolder;
use srdiff::model::Model;
use srdiff::upscale::{
    DeviceChoice, FIRST_USE, PrecisionChoice, TileChoice, Upscaler, UpscalerOptions,
};
use std::path::PathBuf;

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
    /// Take the usual kernels, and not those that were the fastest when they were
    /// timed on this GPU (for a few seconds of its first use, or by `srdiff tune`)
    #[arg(long)]
    pub no_tune: bool,
}

impl EngineArgs {
    /// Opens the model.
    pub fn open_model(&self) -> Result<Model, Failure> {
        Ok(match &self.model {
            Some(path) => Model::open(path)?,
            None => Model::starter(),
        })
    }

    /// Opens the device for a model. Of results that do not match their images,
    /// `allow_mismatch` says whether they are taken.
    pub fn open_upscaler(&self, model: Model, allow_mismatch: bool) -> Result<Upscaler, Failure> {
        let options = UpscalerOptions {
            device: self.device.clone(),
            precision: self.precision.into(),
            memory_limit: self.memory_limit.map(|mib| mib.saturating_mul(1 << 20)),
            allow_mismatch,
            tile: self.tile,
            tuning: (!self.no_tune).then_some(FIRST_USE),
            cache: CacheFolder::of_user(),
        };
        Ok(Upscaler::new(model, &options)?)
    }
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
