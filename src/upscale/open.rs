//! Opens a device for something else than an upscale.

use super::{CpuSummary, Device, DeviceChoice, PrecisionChoice, Selected, UpscaleError, select};
use crate::exec::Backend;
#[cfg(not(feature = "gpu"))]
use crate::exec::ExecError;
use crate::exec::gpu::list_adapters;
#[cfg(feature = "gpu")]
use crate::exec::gpu::{Gpu, GpuOptions};
use crate::model::Model;
use std::sync::Arc;

/// Chooses a device, as an upscale does, and opens it with a model.
///
/// # Errors
/// When the device is missing, fails or lacks the precision.
pub fn open_backend(
    choice: &DeviceChoice,
    precision: PrecisionChoice,
    model: &Arc<Model>,
) -> Result<(Selected, Backend), UpscaleError> {
    let adapters = match choice {
        DeviceChoice::Cpu => Vec::new(),
        _ => list_adapters(),
    };
    let selected = select(choice, &adapters, CpuSummary::of_this_machine)?;
    let precision = selected.device.precision(precision)?;
    let backend = match &selected.device {
        Device::Cpu(_) => Backend::cpu(precision, model.clone()),
        #[cfg(feature = "gpu")]
        Device::Gpu(adapter) => {
            let gpu = Gpu::open(adapter.index, GpuOptions::default())?;
            Backend::gpu(Arc::new(gpu), precision, model.clone())
        }
        #[cfg(not(feature = "gpu"))]
        Device::Gpu(adapter) => {
            return Err(UpscaleError::Exec(ExecError::Device {
                device: adapter.name.clone(),
                reason: "this build has no GPU executor".to_owned(),
            }));
        }
    };
    Ok((selected, backend))
}
