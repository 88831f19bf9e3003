//! Errors of upscaling.

use super::device::DeviceError;
use crate::diffusion::{SamplerError, ScheduleError};
use crate::exec::{ExecError, PrepareError};
use crate::graph::GraphError;
use crate::host_memory::NoMemory;
use crate::plan::{PlanError, Precision};
use std::fmt;

/// Why an image was not upscaled, or an upscaler not opened.
#[derive(Debug, thiserror::Error)]
pub enum UpscaleError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(
        "the image's buffers do not fit its size of {width}x{height}; give it 3 samples a pixel, and 1 of alpha or none, and at least one pixel"
    )]
    Picture { width: usize, height: usize },
    #[error("{0}")]
    TooLarge(Box<TooLarge>),
    #[error(
        "the model produced NaN or an infinity on {device} in {precision}; {}",
        match precision {
            Precision::F16 => "it exceeds the range of f16, so choose f32",
            Precision::Bf16 => "it exceeds the range of bf16, or is damaged: choose f32",
            Precision::F32 => "the model is damaged, so use another",
        }
    )]
    NotFinite {
        device: String,
        precision: Precision,
    },
    #[error(
        "the result on {device} in {precision}, or a part of it, does not match the image \
         (LR-PSNR {lr_psnr:.1} dB); the model or the driver is at fault, so use another model or device"
    )]
    Lost {
        device: String,
        precision: Precision,
        lr_psnr: f64,
    },
    /// The name of an option, its value, and what to choose.
    #[error("`{name}` {value}: choose {choose}")]
    Option {
        name: &'static str,
        value: f64,
        choose: String,
    },
    #[error(
        "the image is {}x{}, larger than the {}x{} it should become; choose a larger size",
        from[0], from[1], to[0], to[1]
    )]
    Shrinks { from: [usize; 2], to: [usize; 2] },
    #[error(
        "the mask is {}x{} and the image {}x{}; give a mask of the image's size",
        mask[0], mask[1], image[0], image[1]
    )]
    Mask { image: [usize; 2], mask: [usize; 2] },
    /// Of an image that wraps and is blended.
    #[error(
        "the image is {}x{}, and with `wrap`, its sides have to be multiples of {scale}; crop or resize it to {}x{}, or leave `wrap` out",
        size[0], size[1], cropped(size[0], *scale), cropped(size[1], *scale)
    )]
    WrapSize { size: [usize; 2], scale: usize },
    /// The name of an option, and its value if it has several.
    #[error("{0} is for upscaling itself, and no part of an exported program; leave it out")]
    NotExported(&'static str),
    /// `what` of a program for an image of this `size` exceeds what it keeps to.
    #[error(
        "a program for {}x{} goes beyond {limits}: {what} would be {needed}, the limit is {limit}; choose a smaller size",
        size[0], size[1]
    )]
    ExportTooLarge {
        size: [usize; 2],
        /// The name of the limits.
        limits: String,
        what: String,
        needed: u64,
        limit: u64,
    },
    /// The name of the CPU.
    #[error("{0} has nothing to tune; choose a GPU")]
    NothingToTune(String),
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A fault of this library, like `Plan`.
    #[error("the model's graph cannot be built: {0}")]
    Graph(#[from] GraphError),
    #[error("the model's graph cannot be planned: {0}")]
    Plan(#[from] PlanError),
    /// Of settings that only the CPU's kernels know.
    #[error("{device} cannot run this model ({reason}); use the CPU")]
    NoKernel { device: String, reason: String },
    #[error("this model cannot be exported: {0}")]
    Unexportable(PlanError),
}

impl UpscaleError {
    /// Why there is no program for a GPU.
    pub(super) fn of_gpu(device: impl ToString, error: PrepareError) -> Self {
        match error {
            PrepareError::Plan(error @ PlanError::NoKernel { .. }) => Self::NoKernel {
                device: device.to_string(),
                reason: error.to_string(),
            },
            error => error.into(),
        }
    }
}

impl From<NoMemory> for UpscaleError {
    fn from(error: NoMemory) -> Self {
        Self::Exec(error.into())
    }
}

impl From<PrepareError> for UpscaleError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Plan(error) => Self::Plan(error),
            PrepareError::Exec(error) => Self::Exec(error),
        }
    }
}

/// An image of which not even the smallest tile fits the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Width and height in pixels of the input.
    pub width: usize,
    pub height: usize,
    pub device: String,
    pub shortage: Shortage,
}

/// What a device has too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Memory, in bytes; whether a limit of the caller's says how much there is.
    Memory {
        needed: u64,
        available: u64,
        is_limited: bool,
    },
    /// The device refused `needed` bytes; how much memory it has is unknown.
    Refused { needed: u64 },
    /// `what` of the image exceeds the device's `limit`.
    Limit {
        what: String,
        needed: u64,
        limit: u64,
    },
}

impl Shortage {
    /// That of which less is missing; a device's limit before memory.
    pub(super) fn lesser(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Memory { needed: a, .. }, Self::Memory { needed: b, .. }) if b < a => other,
            (Self::Refused { needed: a }, Self::Refused { needed: b }) if b < a => other,
            (_, Self::Limit { .. }) => other,
            _ => self,
        }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            width,
            height,
            device,
            ..
        } = self;
        write!(f, "the image is {width}x{height}; ")?;
        match &self.shortage {
            Shortage::Memory {
                needed, available, ..
            } => {
                let (needed, available) = (in_units(*needed), in_units(*available));
                write!(
                    f,
                    "even in the smallest tiles this needs {needed} on {device}, {available} may be used; "
                )
            }
            Shortage::Refused { needed } => {
                let needed = in_units(*needed);
                write!(
                    f,
                    "even in the smallest tiles this needs {needed} on {device}, which has less free; "
                )
            }
            Shortage::Limit {
                what,
                needed,
                limit,
            } => write!(
                f,
                "even in the smallest tiles, on {device} {what} would be {needed}, its limit is {limit}; "
            ),
        }?;
        f.write_str(match self.shortage {
            Shortage::Memory {
                is_limited: true, ..
            } => "raise `memory_limit` or use another device",
            _ => "free memory or use another device",
        })
    }
}

/// The nearest multiple of the scale below a side, or the first.
fn cropped(side: usize, scale: usize) -> usize {
    (side - side % scale).max(scale)
}

fn in_units(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0x4000_0000.. => (1 << 30, "GiB"),
        0x10_0000.. => (1 << 20, "MiB"),
        _ => (1 << 10, "KiB"),
    };
    format!("{:.1} {name}", bytes as f64 / f64::from(unit))
}

#[cfg(test)]
mod tests {
    use super::in_units;

    #[test]
    fn bytes_have_a_fitting_unit() {
        assert_eq!(in_units(1536), "1.5 KiB");
        assert_eq!(in_units(5 << 20), "5.0 MiB");
        assert_eq!(in_units(41 << 30), "41.0 GiB");
    }
}
