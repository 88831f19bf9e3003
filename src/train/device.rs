//! The device that is trained on.

use crate::exec::gpu::list_adapters;
#[cfg(feature = "gpu")]
use crate::exec::gpu::{Gpu, GpuOptions};
use crate::exec::{Backend, ExecError};
use crate::graph::Parameters;
use crate::plan::Precision;
use crate::upscale::{
    CpuSummary, Device, DeviceChoice, DeviceError, PrecisionChoice, Selected, free_memory, select,
    usable_bytes,
};
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

impl OpenDevice {
    /// # Errors
    /// When there is no such device, it lacks the precision, or does not open.
    pub fn open(choice: &DeviceChoice, precision: PrecisionChoice) -> Result<Self, OpenError> {
        let adapters = match choice {
            DeviceChoice::Cpu => Vec::new(),
            _ => list_adapters(),
        };
        let selected = select(choice, &adapters, CpuSummary::of_this_machine)?;
        let precision = selected.device.precision(precision)?;
        Ok(Self {
            #[cfg(feature = "gpu")]
            gpu: match &selected.device {
                Device::Cpu(_) => None,
                Device::Gpu(adapter) => {
                    let gpu = Gpu::open(adapter.index, GpuOptions::default())?;
                    Some(Arc::new(gpu))
                }
            },
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

    /// Bytes of the device's memory that may be used; of a discrete GPU, all.
    pub fn usable_bytes(&self) -> u64 {
        usable_bytes(&self.selected.device, None, 0)
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
