//! The device of an upscaler, and what is loaded on it.

use super::super::budget::Budget;
use super::super::free_memory::usable_bytes;
use super::super::open::OpenDevice;
use super::super::progress::{OnProgress, Progress, notify};
use super::super::select::Selected;
use super::super::tiled::Held;
use super::super::tiling::Tiling;
use super::super::{UpscaleError, steps};
use super::{LrSize, Upscaler};
use crate::exec::{ExecError, Executor, Prepared};
use crate::model::{names, time};
use crate::plan::Precision;

impl Upscaler {
    /// Opens another device, or the same one again.
    pub(super) fn switch(
        &mut self,
        selected: Selected,
        precision: Precision,
    ) -> Result<(), UpscaleError> {
        // What was loaded goes first: the new one may need its memory.
        (self.loaded, self.prepared, self.weight_bytes) = (None, None, 0);
        self.holds_image = None;
        self.tuned.load(&selected.device);
        // What was listed may be lost.
        let device = OpenDevice::of(selected.clone(), precision, None, &mut self.tuned)?;
        self.backend = device.backend(self.model.clone());
        self.refused = match selected.device == self.selected.device {
            true => self.refused,
            false => None,
        };
        (self.selected, self.precision, self.has_failed) = (selected, precision, false);
        Ok(())
    }

    /// Opens the device again, which another of its users may have lost.
    #[cfg(feature = "gpu")]
    pub(in crate::upscale) fn open_again(&mut self) -> Result<(), UpscaleError> {
        self.switch(self.selected.clone(), self.precision)
    }

    /// Gives the memory of the loaded program back.
    #[cfg(feature = "gpu")]
    pub(in crate::upscale) fn unload(&mut self) {
        (self.loaded, self.prepared, self.holds_image) = (None, None, None);
    }

    #[cfg(feature = "gpu")]
    pub(in crate::upscale) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    pub(super) fn budget(&self) -> Budget<'_> {
        // The loaded program is dropped before another is loaded.
        let held = self.loaded.as_ref().map_or(0, |(_, executor)| {
            let memory = executor.memory();
            memory.total_bytes() - memory.weight_bytes
        });
        let held = held + self.weight_bytes;
        Budget {
            settings: self.model.settings(),
            device: &self.selected.device,
            precision: self.precision,
            tuning: self.tuned.table(),
            bytes: usable_bytes(&self.selected.device, self.memory_limit, held),
            is_limited: self.memory_limit.is_some(),
            refused: self.refused,
        }
    }

    fn is_loaded(&self, size: LrSize) -> bool {
        matches!(self.loaded, Some((loaded, _)) if loaded == size)
    }

    /// How an image is cut, and that its tiles fit. The tile's program is
    /// prepared, unless it is loaded.
    pub(super) fn tiling(&mut self, size: [usize; 2], held: &Held) -> Result<Tiling, UpscaleError> {
        let known = |size: LrSize| match (&self.loaded, &self.prepared) {
            (Some((loaded, executor)), _) if *loaded == size => Some(executor.memory()),
            (_, Some((prepared, program))) if *prepared == size => Some(program.memory()),
            _ => None,
        };
        let (tiling, prepared) = match self.budget().tiling(size, self.tile, held, &known) {
            Err(UpscaleError::NoKernel { device, reason }) if self.leaves_gpu => {
                let note = format!("{device} cannot run this model ({reason}); the CPU does");
                self.tuned.note(note.clone());
                self.switch(Selected::cpu(note), Precision::F32)?;
                return self.tiling(size, held);
            }
            tiling => tiling?,
        };
        if let Some(prepared) = prepared {
            self.prepared = Some((tiling.tile(), prepared));
        }
        Ok(tiling)
    }

    /// Loads the program for an image of `size` or for its tiles, and computes
    /// its time tables. If the device refuses the memory, tiles get smaller.
    pub(super) fn load(
        &mut self,
        size: [usize; 2],
        held: &Held,
        progress: OnProgress<'_>,
    ) -> Result<Tiling, UpscaleError> {
        loop {
            let tiling = match self.tiling(size, held) {
                Ok(tiling) => tiling,
                Err(error) => {
                    // There may be memory for the next image.
                    self.refused = None;
                    return Err(error);
                }
            };
            let tile = tiling.tile();
            if self.is_loaded(tile) {
                return Ok(tiling);
            }
            // The new program needs its memory.
            (self.loaded, self.holds_image) = (None, None);
            #[cfg(feature = "gpu")]
            if self.tune_first_use(tile, held.steps(), progress)? {
                // Other kernels may need other memory.
                self.prepared = None;
                continue;
            }
            notify(progress, Progress::Load)?;
            let prepared = match self.prepared.take() {
                Some((known, prepared)) if known == tile => prepared,
                _ => self.budget().prepare(tile)?,
            };
            let memory = prepared.memory();
            match self.open_program(prepared) {
                Ok(executor) => {
                    self.weight_bytes = memory.weight_bytes;
                    self.loaded = Some((tile, executor));
                    return Ok(tiling);
                }
                Err(ExecError::OutOfMemory { .. }) => self.refused = Some(tile[0] * tile[1]),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn open_program(&mut self, prepared: Prepared) -> Result<Box<dyn Executor>, ExecError> {
        let mut executor = self.backend.load_prepared(prepared)?;
        self.tuned.save_pipelines(&self.backend);
        let settings = self.model.settings();
        let sinusoids = time::sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &sinusoids)?;
        executor.run(names::MODEL, steps::START)?;
        Ok(executor)
    }
}

#[cfg(all(test, feature = "gpu"))]
mod tests;
