//! Devices and their number formats.

use crate::exec::cpu::has_bf16;
use crate::exec::gpu::AdapterSummary;
use crate::plan::Precision;
use serde::Serialize;
use std::fmt;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// How feature maps and weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// f16 where the device has it and the model keeps to its range, else f32.
    #[default]
    Auto,
    F32,
    /// Arithmetic stays in f32.
    F16,
    /// On the CPU, where it multiplies bf16 itself: less precise and faster.
    Bf16,
}

/// A choice of device or precision that this machine cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("no GPU was found ({listed}); choose the CPU")]
    NoGpu { listed: String },
    #[error("there is no device '{asked}' ({listed}); choose an index or a name of these")]
    Unknown { asked: String, listed: String },
    #[error("several devices match '{asked}' ({listed}); choose one by its index")]
    Ambiguous { asked: String, listed: String },
    #[error(
        "{name} is a GPU in software, far slower than the CPU itself; ask for it by name if that is what you want"
    )]
    Software { index: usize, name: String },
    #[error("{device} has no f16; choose f32")]
    NoF16 { device: String },
    #[error("{device} {}; choose f32", match is_gpu {
        true => "has no bf16, which is for CPUs",
        false => "does not multiply bf16 (AVX-512 BF16)",
    })]
    NoBf16 { device: String, is_gpu: bool },
}

/// The CPU, as `srdiff devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuSummary {
    pub name: String,
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
    Cpu(CpuSummary),
    Gpu(AdapterSummary),
}

impl Device {
    /// # Errors
    /// When f16 or bf16 is chosen and the device does not have it.
    pub fn precision(&self, choice: PrecisionChoice) -> Result<Precision, DeviceError> {
        let f16 = matches!(self, Self::Gpu(adapter) if adapter.f16);
        match choice {
            PrecisionChoice::Auto | PrecisionChoice::F16 if f16 => Ok(Precision::F16),
            PrecisionChoice::Auto | PrecisionChoice::F32 => Ok(Precision::F32),
            PrecisionChoice::F16 => Err(DeviceError::NoF16 {
                device: self.to_string(),
            }),
            PrecisionChoice::Bf16 => match self {
                Self::Cpu(_) if has_bf16() => Ok(Precision::Bf16),
                _ => Err(DeviceError::NoBf16 {
                    device: self.to_string(),
                    is_gpu: matches!(self, Self::Gpu(_)),
                }),
            },
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
