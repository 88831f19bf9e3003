//! What the driver reports out of turn, turned into errors.

use crate::exec::{ExecError, lock};
use std::sync::{Arc, Mutex};

/// The first failure that the driver reported, if any. (By default wgpu
/// panics instead.)
#[derive(Clone, Debug)]
pub(super) struct Failure {
    device: String,
    reason: Arc<Mutex<Option<String>>>,
}

impl Failure {
    pub(super) fn none(name: &str) -> Self {
        Self {
            device: name.to_owned(),
            reason: Arc::default(),
        }
    }

    /// What fails on a device from now on.
    pub(super) fn watch(device: &wgpu::Device, name: &str) -> Self {
        let failure = Self::none(name);
        let seen = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            seen.set(error.to_string());
        }));
        let seen = failure.clone();
        // Dropping the device is reported too, when nobody asks any more.
        device.set_device_lost_callback(move |_, message| {
            seen.set(format!("the device was lost: {message}"));
        });
        failure
    }

    /// Notes a failure; the first one counts.
    pub(super) fn set(&self, reason: String) {
        lock(&self.reason).get_or_insert(reason);
    }

    pub(super) fn error(&self, reason: impl ToString) -> ExecError {
        ExecError::Device {
            device: self.device.clone(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ExecError> {
        match &*lock(&self.reason) {
            Some(reason) => Err(self.error(reason)),
            None => Ok(()),
        }
    }
}
