//! Devices, and what they are asked for that they cannot do.

use crate::exec::gpu::AdapterSummary;
use crate::graph::Precision;
use serde::Serialize;
use std::fmt;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// How reals are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// f16 where the device has it and the model keeps to its range, else f32.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits; sums stay in 32.
    F16,
}

/// A device asked for that is not there, or cannot do what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is no real GPU.
    #[error("--device gpu: no GPU was found ({listed}); use --device cpu")]
    NoGpu {
        /// What there is.
        listed: String,
    },
    /// Nothing has this name or index.
    #[error(
        "--device {asked}: there is no such device ({listed}); choose auto, cpu, gpu, or an index or name that `srdiff devices` lists"
    )]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is.
        listed: String,
    },
    /// Several have this name.
    #[error("--device {asked}: several devices match ({listed}); choose one by its index")]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Those that match.
        listed: String,
    },
    /// A software adapter, asked for by index.
    #[error(
        "--device {index}: {name} is software that plays GPU, far slower than --device cpu; ask for it by name if that is what you want"
    )]
    Software {
        /// Index.
        index: usize,
        /// Name.
        name: String,
    },
    /// f16 where there is none.
    #[error("--precision f16: {device} has no f16; use --precision f32 or auto")]
    NoF16 {
        /// Device.
        device: String,
    },
}

/// A CPU and what matters of it here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuSummary {
    /// Name, as the system says.
    pub name: String,
    /// Threads that compute.
    pub threads: usize,
}

impl CpuSummary {
    /// The CPU of this machine.
    pub fn of_this_machine() -> Self {
        let kind = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(kind);
        let brand = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
        Self {
            name: match brand {
                "" => std::env::consts::ARCH.to_owned(),
                brand => brand.to_owned(),
            },
            threads: rayon::current_num_threads(),
        }
    }
}

/// A device to run on.
#[derive(Clone, Debug, PartialEq)]
pub enum Device {
    /// The CPU.
    Cpu(CpuSummary),
    /// An adapter.
    Gpu(AdapterSummary),
}

impl Device {
    /// The precision that a choice means on this device.
    ///
    /// # Errors
    /// When f16 is asked for where there is none.
    pub fn precision(&self, choice: PrecisionChoice) -> Result<Precision, DeviceError> {
        let f16 = matches!(self, Self::Gpu(adapter) if adapter.f16);
        match choice {
            PrecisionChoice::F32 => Ok(Precision::F32),
            PrecisionChoice::Auto if f16 => Ok(Precision::F16),
            PrecisionChoice::Auto => Ok(Precision::F32),
            PrecisionChoice::F16 if f16 => Ok(Precision::F16),
            PrecisionChoice::F16 => Err(DeviceError::NoF16 {
                device: self.to_string(),
            }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(CpuSummary { name, threads }) => {
                let s = if *threads == 1 { "" } else { "s" };
                write!(f, "CPU ({name}, {threads} thread{s})")
            }
            Self::Gpu(adapter) => write!(f, "{} ({})", adapter.name, adapter.backend),
        }
    }
}
