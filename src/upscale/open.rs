//! Devices that are open, for whatever models are loaded on them.

use super::device::{CpuSummary, Device, DeviceError, PrecisionChoice};
use super::device_tuning::DeviceTuning;
use super::free_memory::{free_memory, usable_bytes, uses_host_memory};
use super::select::{DeviceChoice, Selected, select};
use crate::exec::gpu::Adapters;
#[cfg(feature = "gpu")]
use crate::exec::gpu::{Gpu, GpuOptions};
use crate::exec::{Backend, ExecError};
use crate::graph::Parameters;
use crate::plan::Precision;
use std::sync::Arc;
use thiserror::Error;

/// A device that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// An open device, which any models can be loaded on.
pub struct OpenDevice {
    selected: Selected,
    precision: Precision,
    #[cfg(feature = "gpu")]
    gpu: Option<Arc<Gpu>>,
}

/// A choice of a device and a precision that was looked up.
pub(super) struct Found {
    adapters: Adapters,
    pub selected: Selected,
    precision: Precision,
    /// Whether the CPU may take the place of a GPU that fails.
    pub leaves_gpu: bool,
}

impl Found {
    /// # Errors
    /// When there is no such device, or it lacks the precision.
    pub fn new(choice: &DeviceChoice, precision: PrecisionChoice) -> Result<Self, DeviceError> {
        let adapters = match choice {
            DeviceChoice::Cpu => Adapters::default(),
            _ => Adapters::list(),
        };
        let selected = select(choice, adapters.summaries(), CpuSummary::of_this_machine)?;
        Ok(Self {
            precision: selected.device.precision(precision)?,
            selected,
            adapters,
            // Who asked for f16 gets no f32 on another device, either.
            leaves_gpu: *choice == DeviceChoice::Auto && precision != PrecisionChoice::F16,
        })
    }

    /// Opens the device, or the CPU if it is a GPU that does not open and that
    /// was not asked for.
    pub fn open(self, tuned: &mut DeviceTuning) -> Result<OpenDevice, ExecError> {
        let is_gpu = matches!(self.selected.device, Device::Gpu(_));
        tuned.load(&self.selected.device);
        match OpenDevice::of(self.selected, self.precision, Some(&self.adapters), tuned) {
            Err(error) if is_gpu && self.leaves_gpu => {
                let note = format!("{error}; the CPU takes its place");
                tuned.note(note.clone());
                let cpu = Selected::cpu(note);
                tuned.load(&cpu.device);
                OpenDevice::of(cpu, Precision::F32, None, tuned)
            }
            opened => opened,
        }
    }
}

impl OpenDevice {
    /// With [`DeviceChoice::Auto`], this is the CPU in f32 if the GPU does not
    /// open; the reason says why. Who asks for f16 gets the error.
    ///
    /// # Errors
    /// When there is no such device, it lacks the precision, or does not open.
    pub fn open(choice: &DeviceChoice, precision: PrecisionChoice) -> Result<Self, OpenError> {
        let found = Found::new(choice, precision)?;
        Ok(found.open(&mut DeviceTuning::new(None, None))?)
    }

    /// Opens a device, one of the `listed` if it is a GPU and they are given, with
    /// the pipelines that are stored.
    #[cfg_attr(not(feature = "gpu"), allow(unused_variables))]
    pub(super) fn of(
        selected: Selected,
        precision: Precision,
        listed: Option<&Adapters>,
        tuned: &mut DeviceTuning,
    ) -> Result<Self, ExecError> {
        Ok(Self {
            #[cfg(feature = "gpu")]
            gpu: match &selected.device {
                Device::Cpu(_) => None,
                Device::Gpu(adapter) => {
                    let (index, options) = (adapter.index, GpuOptions::default());
                    let gpu = match listed {
                        Some(listed) => Gpu::open_listed(listed, index, options)?,
                        None => Gpu::open(index, options)?,
                    };
                    Some(Arc::new(tuned.with_stored_pipelines(gpu)))
                }
            },
            #[cfg(not(feature = "gpu"))]
            selected: match &selected.device {
                Device::Cpu(_) => selected,
                Device::Gpu(adapter) => {
                    return Err(ExecError::Device {
                        device: format!("{} in {precision}", adapter.name),
                        reason: "this build has no GPU executor".to_owned(),
                    });
                }
            },
            #[cfg(feature = "gpu")]
            selected,
            precision,
        })
    }

    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of the device's memory that may be used: nine tenths of the system's
    /// free memory, or of all memory of a GPU that has its own, and no more than
    /// nine tenths of what Metal recommends, on Metal; where that is unknown, there
    /// is no limit. The `held` bytes are taken by this program, and count as free.
    pub fn usable_bytes(&self, held: u64) -> u64 {
        usable_bytes(&self.selected.device, None, held)
    }

    /// Whether the device's memory is the host's.
    pub fn uses_host_memory(&self) -> bool {
        uses_host_memory(&self.selected.device)
    }

    /// Bytes of the host's memory that are free.
    pub fn host_memory(&self) -> u64 {
        free_memory()
    }

    /// A model on this device.
    pub fn backend(&self, model: Arc<dyn Parameters>) -> Backend {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            return Backend::gpu(gpu.clone(), self.precision, model);
        }
        Backend::cpu(self.precision, model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::gpu::AdapterSummary;

    /// As a card that was listed and is gone, or has no memory left.
    fn open_lost(leaves_gpu: bool, tuned: &mut DeviceTuning) -> Result<OpenDevice, ExecError> {
        let found = Found {
            adapters: Adapters::default(),
            selected: Selected {
                device: Device::Gpu(AdapterSummary::baseline()),
                reason: "the only GPU found".to_owned(),
            },
            precision: Precision::F32,
            leaves_gpu,
        };
        found.open(tuned)
    }

    #[test]
    fn a_gpu_that_does_not_open_is_replaced_by_the_cpu() {
        let mut tuned = DeviceTuning::new(None, None);
        let device = open_lost(true, &mut tuned).unwrap();
        let Selected { device, reason } = device.selected();
        assert!(matches!(device, Device::Cpu(_)), "{device}");
        assert!(reason.contains("failed"), "{reason}");
        assert_eq!(tuned.take_notes(), [reason.as_str()]);
    }

    #[test]
    fn a_gpu_that_was_asked_for_and_does_not_open_is_an_error() {
        let mut tuned = DeviceTuning::new(None, None);
        let opened = open_lost(false, &mut tuned);
        assert!(matches!(opened, Err(ExecError::Device { .. })));
        assert_eq!(tuned.take_notes(), Vec::<String>::new());
    }
}
