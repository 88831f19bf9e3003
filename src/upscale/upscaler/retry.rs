//! Running an image again after an error: in smaller tiles, in f32, on the CPU.

use super::Upscaler;
use crate::exec::ExecError;
use crate::image::{Colors, Picture};
use crate::plan::Precision;
use crate::upscale::device::Device;
use crate::upscale::finish::OnRows;
use crate::upscale::progress::OnProgress;
use crate::upscale::sample_options::SampleOptions;
use crate::upscale::select::Selected;
use crate::upscale::{Report, Shortage, UpscaleError};
use std::fmt;

/// Why an image was run again, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// What went wrong.
    pub error: String,
    pub next: NextTry,
}

/// What was changed for another try.
#[derive(Clone, Debug, PartialEq)]
pub enum NextTry {
    SmallerTiles,
    /// The device, the precision or both.
    On {
        device: String,
        precision: Precision,
    },
}

impl Retry {
    fn on(selected: &Selected, precision: Precision, error: &UpscaleError) -> Self {
        Self {
            error: error.to_string(),
            next: NextTry::On {
                device: selected.device.to_string(),
                precision,
            },
        }
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = &self.error;
        match &self.next {
            NextTry::SmallerTiles => write!(f, "{error}; run again in smaller tiles"),
            NextTry::On { device, precision } => {
                write!(f, "{error}; run again on {device} in {precision}")
            }
        }
    }
}

impl Upscaler {
    /// Upscales an image (see [`upscale_from`](Self::upscale_from)), in smaller
    /// tiles, on another device or in f32 if need be.
    pub(in crate::upscale) fn upscale_with_retries(
        &mut self,
        picture: &Picture,
        edited: Option<(&Picture, f64)>,
        sample: &SampleOptions,
        progress: OnProgress<'_>,
        rows: OnRows<'_>,
    ) -> Result<Report, UpscaleError> {
        if self.has_failed {
            // A driver that was reset may work again.
            self.switch(self.selected.clone(), self.precision)?;
        }
        self.check_picture(picture)?;
        let colors = Colors::new(picture, sample.border)?;
        let edited = match edited {
            Some((image, amount)) => Some((Colors::new(image, sample.border)?, amount)),
            None => None,
        };
        let mut retried = Vec::new();
        // The device and precision whose result was the first that is bad.
        let mut doubted = None;
        loop {
            let edited = edited.as_ref().map(|(image, amount)| (image, *amount));
            let upscaled = self.upscale_from(picture, &colors, edited, sample, progress, rows);
            let error = match upscaled {
                Ok(report) => return Ok(Report { retried, ..report }),
                Err(error) => error,
            };
            if matches!(error, UpscaleError::Exec(ExecError::OutOfMemory { .. })) {
                // In the end no smaller ones are left, which is another error.
                retried.push(Retry {
                    error: error.to_string(),
                    next: NextTry::SmallerTiles,
                });
                continue;
            }
            self.has_failed = matches!(error, UpscaleError::Exec(ExecError::Device { .. }));
            let Some((selected, precision)) = self.next_try(&error) else {
                if let Some((selected, precision)) = doubted {
                    // Nothing shows that it was at fault. If it cannot be opened
                    // again, what ran last stays.
                    let _ = self.switch(selected, precision);
                }
                return Err(error);
            };
            if is_bad(&error) {
                doubted.get_or_insert_with(|| (self.selected.clone(), self.precision));
            } else {
                // The device is lost, or others have its memory.
                doubted = None;
            }
            if is_refused(&error) {
                self.crowded = Some((self.selected.clone(), self.precision));
            }
            retried.push(Retry::on(&selected, precision, &error));
            let Err(error) = self.switch(selected, precision) else {
                continue;
            };
            // The GPU does not open again.
            if !self.leaves_gpu {
                return Err(error);
            }
            let cpu = Selected::cpu(error.to_string());
            retried.push(Retry::on(&cpu, Precision::F32, &error));
            self.switch(cpu, Precision::F32)?;
        }
    }

    /// On what an image is to be run again after an error: in f32, then on the
    /// CPU, as far as that was left to the upscaler.
    fn next_try(&self, error: &UpscaleError) -> Option<(Selected, Precision)> {
        let is_bad = is_bad(error);
        if is_bad && self.falls_back && self.precision == Precision::F16 {
            return Some((self.selected.clone(), Precision::F32));
        }
        let is_gpu = matches!(self.selected.device, Device::Gpu(_));
        if self.leaves_gpu && is_gpu && (is_bad || self.has_failed || is_refused(error)) {
            return Some((Selected::cpu(error.to_string()), Precision::F32));
        }
        None
    }
}

/// Whether a device has no memory even for the smallest tiles.
fn is_refused(error: &UpscaleError) -> bool {
    match error {
        UpscaleError::TooLarge(error) => matches!(error.shortage, Shortage::Refused { .. }),
        _ => false,
    }
}

/// Whether a device did its work, but what it gave is no result.
fn is_bad(error: &UpscaleError) -> bool {
    matches!(
        error,
        UpscaleError::NotFinite { .. } | UpscaleError::Lost { .. }
    )
}
