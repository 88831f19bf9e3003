//! Kernels that are chosen by timing them, and what is kept of that.

use super::device::Device;
use crate::exec::Backend;
#[cfg(feature = "gpu")]
use crate::exec::gpu::tuning::TunedClass;
use crate::exec::gpu::tuning::{Tuning, cache};
#[cfg(feature = "gpu")]
use crate::exec::gpu::{AdapterSummary, Gpu};
use crate::exec::gpu::{CacheFolder, Identity};
use std::sync::Arc;
use std::time::Duration;

/// How long the first use of a GPU may be held up, if nobody asks for more.
pub const FIRST_USE: Duration = Duration::from_secs(3);

/// What is known of the kernels of the device in use.
pub(super) struct DeviceTuning {
    /// Whose table it is; none: that of the CPU, which has none.
    device: Option<Identity>,
    folder: Option<CacheFolder>,
    /// Whether measurements are used.
    is_on: bool,
    /// What is left of the time for kernels that are new.
    #[cfg(feature = "gpu")]
    pub budget: Duration,
    table: Arc<Tuning>,
    notes: Vec<String>,
}

impl DeviceTuning {
    pub fn new(tuning: Option<Duration>, folder: Option<CacheFolder>) -> Self {
        Self {
            device: None,
            folder,
            is_on: tuning.is_some(),
            #[cfg(feature = "gpu")]
            budget: tuning.unwrap_or_default(),
            table: Arc::default(),
            notes: Vec::new(),
        }
    }

    pub fn table(&self) -> &Arc<Tuning> {
        &self.table
    }

    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Forgets one device, and reads what is known of another.
    pub fn load(&mut self, device: &Device) {
        let identity = match device {
            Device::Cpu(_) => None,
            Device::Gpu(adapter) => Some(Identity::of(adapter)),
        };
        if self.device == identity {
            return;
        }
        self.table = Arc::default();
        if let (true, Some(folder), Some(identity)) = (self.is_on, &self.folder, &identity) {
            let (table, note) = cache::load(folder, identity);
            self.table = Arc::new(table);
            self.notes.extend(note);
        }
        self.device = identity;
    }

    #[cfg(feature = "gpu")]
    pub fn with_stored_pipelines(&mut self, gpu: Gpu) -> Gpu {
        let Some(folder) = &self.folder else {
            return gpu;
        };
        let (gpu, note) = gpu.with_stored_pipelines(folder);
        self.notes.extend(note);
        gpu
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Keeps what the device has compiled.
    pub fn save_pipelines(&mut self, backend: &Backend) {
        let saved = match backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(backend) if self.folder.is_some() => backend.gpu().save_pipelines(),
            _ => Ok(()),
        };
        self.note_once(saved);
    }

    fn note_once(&mut self, result: Result<(), String>) {
        if let Err(note) = result
            && !self.notes.contains(&note)
        {
            self.notes.push(note);
            // One note is enough.
            self.folder = None;
        }
    }

    /// Notes in the file that the time for these classes was spent. Should the
    /// driver end the program while it compiles one of their kernels, it will
    /// not do so each time.
    #[cfg(feature = "gpu")]
    pub fn begin(&mut self, adapter: &AdapterSummary, untimed: &Tuning) {
        self.update_file(adapter, |table| table.extend(untimed));
    }

    /// Uses what was found from now on, and keeps it. The classes that were
    /// `begun` and are not among it may be timed another time.
    #[cfg(feature = "gpu")]
    pub fn add(&mut self, adapter: &AdapterSummary, begun: &Tuning, found: &[TunedClass]) {
        let entries = found
            .iter()
            .map(|class| (class.class.clone(), class.chosen()));
        let found: Tuning = entries.collect();
        Arc::make_mut(&mut self.table).extend(&found);
        self.update_file(adapter, |table| {
            table.forget_untimed(begun);
            table.extend(&found);
        });
    }

    #[cfg(feature = "gpu")]
    fn update_file(&mut self, adapter: &AdapterSummary, change: impl FnOnce(&mut Tuning)) {
        let written = match &self.folder {
            Some(folder) => cache::update(folder, &Identity::of(adapter), change),
            None => Ok(()),
        };
        self.note_once(written);
    }
}
