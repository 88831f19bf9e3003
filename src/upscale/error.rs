//! Why a picture was not upscaled.

use super::device::DeviceError;
use crate::diffusion::{SamplerError, ScheduleError};
use crate::exec::ExecError;
use crate::graph::{GraphError, PlanError};
use std::fmt;

/// Why a picture was not upscaled.
#[derive(Debug, thiserror::Error)]
pub enum UpscaleError {
    /// The device asked for is not there or cannot do what was asked for.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The number of steps or the sampler does not fit the model.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// The model's noise schedule cannot be used.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The model asks for a residual that is never clamped.
    #[error(
        "{0}: settings `clip_input` and `clip_denoised` are both false, but the residual is always clamped to [-1, 1]; set one of them to true"
    )]
    Unclamped(String),
    /// The picture's buffers are not of its size.
    #[error(
        "the picture's buffers do not fit its size of {width}x{height}; give it 3 bytes a pixel, and 1 of opacity or none, and at least one pixel"
    )]
    Picture {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The picture does not fit the device in one piece.
    #[error("{0}")]
    TooLarge(Box<TooLarge>),
    /// The result is not a picture.
    #[error("the model produced NaN or an infinity at {device} in {precision}; {advice}")]
    NotFinite {
        /// Device.
        device: String,
        /// Precision.
        precision: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The device failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The model's graph cannot be built: a fault of this library.
    #[error("the model's graph cannot be built: {0}")]
    Graph(#[from] GraphError),
    /// The model's graph cannot be planned: a fault of this library.
    #[error("the model's graph cannot be planned: {0}")]
    Plan(#[from] PlanError),
}

/// A picture that does not fit the device in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Width asked for, in pixels of the input.
    pub width: usize,
    /// Height asked for.
    pub height: usize,
    /// Device.
    pub device: String,
    /// What is short.
    pub shortage: Shortage,
    /// Width and height of the largest picture of this shape that fits, if any.
    pub largest: Option<(usize, usize)>,
}

/// What a device has too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Memory, in bytes.
    Memory {
        /// What the picture needs.
        needed: u64,
        /// What may be used.
        available: u64,
    },
    /// Memory that the device refused; how much it has is not known.
    Refused {
        /// What the picture needs, in bytes.
        needed: u64,
    },
    /// A limit of the device.
    Limit {
        /// Which.
        what: String,
        /// What the picture needs.
        needed: u64,
        /// The limit.
        limit: u64,
    },
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, .. } = self;
        write!(f, "the picture is {width}x{height}; ")?;
        let device = &self.device;
        match &self.shortage {
            Shortage::Memory { needed, available } => {
                let (needed, available) = (Bytes(*needed), Bytes(*available));
                write!(
                    f,
                    "this needs {needed} on {device}, {available} may be used; "
                )?;
            }
            Shortage::Refused { needed } => {
                let needed = Bytes(*needed);
                write!(f, "this needs {needed} on {device}, which has less free; ")?;
            }
            Shortage::Limit {
                what,
                needed,
                limit,
            } => {
                write!(
                    f,
                    "on {device} {what} would be {needed}, its limit is {limit}; "
                )?;
            }
        }
        match (self.largest, &self.shortage) {
            (Some((width, height)), Shortage::Refused { .. }) => {
                write!(f, "try one of {width}x{height}, which needs half of that")
            }
            (Some((width, height)), _) => write!(
                f,
                "the largest picture of this shape that fits is {width}x{height}"
            ),
            (None, _) => write!(f, "no picture of this shape fits"),
        }
    }
}

/// A number of bytes in a unit that people read.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0x4000_0000.. => write!(f, "{:.1} GiB", bytes / f64::from(1 << 30)),
            0x10_0000.. => write!(f, "{:.1} MiB", bytes / f64::from(1 << 20)),
            _ => write!(f, "{:.1} KiB", bytes / 1024.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_their_unit() {
        let text = |bytes| Bytes(bytes).to_string();
        assert_eq!(text(1536), "1.5 KiB");
        assert_eq!(text(5 << 20), "5.0 MiB");
        assert_eq!(text(41 << 30), "41.0 GiB");
    }
}
