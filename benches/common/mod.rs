//! What the benchmarks share: their options, devices, and what the machine is.
#![allow(dead_code)] // no benchmark uses all of it

use clap::Parser;
use srdiff::exec::gpu::tuning::{Tuning, cache};
use srdiff::exec::gpu::{AdapterKind, CacheFolder, Gpu, GpuOptions, Identity, list_adapters};
use srdiff::exec::{Backend, Target};
use srdiff::graph::Parameters;
use srdiff::plan::Precision;
use srdiff::upscale::{self, CpuSummary, PrecisionChoice};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Options of the benchmarks: `cargo bench --bench kernels -- --device cpu`.
#[derive(Debug, Parser)]
pub struct Options {
    /// cpu, gpu (every one but software ones), or an adapter's index; the
    /// default is cpu and gpu
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Only rows whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub filter: String,
    /// Store activations and weights in f16 on GPUs
    #[arg(long)]
    pub f16: bool,
    /// Store activations and weights in bf16 on the CPU
    #[arg(long)]
    pub bf16: bool,
    /// Take the usual kernels of a GPU, and not what `srdiff tune` found to be faster
    #[arg(long)]
    pub no_tune: bool,
    /// Fewer rows, fewer repetitions
    #[arg(long)]
    pub quick: bool,
    /// One step of a model and its encoder, each kernel against the
    /// least time that the device's peaks allow, the worst first
    #[arg(long)]
    pub roofline: bool,
    /// A model file, for the upscale benchmark and --roofline; the default is the
    /// starter
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Convolutions by each kernel that the GPU has for them
    #[arg(long)]
    pub variants: bool,
    /// One step against pixels, batch and threads, for the upscale benchmark
    #[arg(long)]
    pub scaling: bool,
    /// What a process takes beside the GPU's own time, for the upscale benchmark
    #[arg(long)]
    pub overhead: bool,
    /// What a run takes before its first step, for the upscale benchmark on one
    /// device
    #[arg(long)]
    pub startup: bool,
    /// Size of the LR image, for the upscale and training benchmarks and --roofline
    #[arg(long, value_name = "PIXELS", default_value_t = 40)]
    pub size: usize,
    /// Images of a batch, for the training benchmark
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub batch: usize,
    /// Segments of the graph whose values are computed again for their gradients,
    /// for the training benchmark
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub segments: usize,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

pub const NO_DEVICE: &str =
    "there is no such device to measure; choose cpu, gpu, or an adapter's index";

/// A device to measure.
pub enum Device {
    Cpu(Precision),
    /// With what was found out about its kernels.
    Gpu(Arc<Gpu>, Precision, Arc<Tuning>),
}

impl Device {
    pub fn name(&self) -> String {
        match self {
            Device::Cpu(precision) => {
                let cpu = upscale::Device::Cpu(CpuSummary::of_this_machine());
                format!("{cpu}, {precision} storage")
            }
            Device::Gpu(gpu, precision, tuning) => {
                let s = gpu.summary();
                let kind = s.kind.name();
                let kernels = match tuning.is_empty() {
                    true => "the usual kernels".to_owned(),
                    false => format!("kernels of {} tuned classes", tuning.iter().count()),
                };
                format!(
                    "{} ({kind}, {}, {}), {precision:?} storage, {kernels}",
                    s.name, s.backend, s.driver
                )
            }
        }
    }

    /// A model on this device, of which nothing is loaded yet.
    pub fn backend(&self, parameters: Arc<dyn Parameters>) -> Backend {
        match self {
            Device::Cpu(precision) => Backend::cpu(*precision, parameters),
            Device::Gpu(gpu, precision, _) => Backend::gpu(gpu.clone(), *precision, parameters),
        }
    }

    /// What to prepare programs for, so that the kernels are those of an upscale.
    pub fn target(&self) -> Target {
        match self {
            Device::Cpu(precision) => Target::cpu(*precision),
            Device::Gpu(gpu, precision, tuning) => {
                Target::gpu(gpu.summary(), *precision).tuned(tuning.clone())
            }
        }
    }
}

/// Parses the options, prints which version measures which adapters are
/// there, opens the devices.
pub fn start() -> Result<(Options, Vec<Device>), Box<dyn Error>> {
    start_with(Options::parse())
}

/// The same, with these options.
pub fn start_with(options: Options) -> Result<(Options, Vec<Device>), Box<dyn Error>> {
    println!("srdiff {}", env!("CARGO_PKG_VERSION"));
    for summary in list_adapters() {
        println!(
            "adapter {}: {} ({}, {}, {})",
            summary.index,
            summary.name,
            summary.kind.name(),
            summary.backend,
            summary.driver
        );
    }
    let devices = devices(&options)?;
    if devices.is_empty() {
        let asked = options.device.as_deref().unwrap_or_default();
        return Err(format!("--device {asked}: {NO_DEVICE}").into());
    }
    Ok((options, devices))
}

/// Refuses precisions that a device does not have: what stands in for them would be
/// timed.
fn devices(options: &Options) -> Result<Vec<Device>, Box<dyn Error>> {
    let wanted = options.device.as_deref();
    let choice = |half, precision| match half {
        true => precision,
        false => PrecisionChoice::F32,
    };
    let precision = |device: upscale::Device, choice| {
        // As a text, which `main` shows as it is.
        device.precision(choice).map_err(|error| error.to_string())
    };
    let mut devices = Vec::new();
    if matches!(wanted, None | Some("cpu")) {
        let cpu = upscale::Device::Cpu(CpuSummary::of_this_machine());
        let precision = precision(cpu, choice(options.bf16, PrecisionChoice::Bf16))?;
        devices.push(Device::Cpu(precision));
    }
    for summary in list_adapters() {
        let chosen = match wanted {
            None | Some("gpu") => summary.kind != AdapterKind::Software,
            Some(index) => *index == summary.index.to_string(),
        };
        if chosen {
            let device = upscale::Device::Gpu(summary.clone());
            let precision = precision(device, choice(options.f16, PrecisionChoice::F16))?;
            let gpu = Gpu::open(summary.index, GpuOptions { checked: false })?;
            let folder = CacheFolder::of_user().filter(|_| !options.no_tune);
            let (tuning, note) = match folder {
                Some(folder) => cache::load(&folder, &Identity::of(&summary)),
                None => Default::default(),
            };
            if let Some(note) = note {
                println!("note: {note}");
            }
            devices.push(Device::Gpu(Arc::new(gpu), precision, Arc::new(tuning)));
        }
    }
    Ok(devices)
}
