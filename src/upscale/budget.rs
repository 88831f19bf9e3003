//! Which tiles of an image fit the memory of a device.

use super::device::Device;
use super::error::{Shortage, TooLarge, UpscaleError};
use super::graphs::graphs;
use super::tiled::Held;
use super::tiling::{SMALLEST_TILE, TileChoice, Tiling};
use crate::exec::gpu::check_limits;
use crate::exec::gpu::tuning::Tuning;
use crate::exec::{ExecError, PrepareOptions, Prepared, Target};
use crate::model::Settings;
use crate::plan::{MemoryReport, Precision};
use std::sync::Arc;

/// What programs are prepared for.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub settings: &'a Settings,
    pub device: &'a Device,
    pub precision: Precision,
    pub tuning: &'a Arc<Tuning>,
    /// Bytes that may be used.
    pub bytes: u64,
    /// Whether the caller has set them.
    pub is_limited: bool,
    /// LR pixels of a tile that the device refused memory for.
    pub refused: Option<usize>,
}

/// Sides of the tile whose program tells the memory of others.
const REFERENCE: usize = 64;

/// Positions in the result are 32-bit numbers with a sign.
const LONGEST_SIDE: usize = 1 << 24;

/// The most LR pixels in a tile of several: larger ones save less than a tenth of
/// the work, and take long to answer to a user who cancels.
const MOST_PIXELS: usize = 512 * 512;

impl Budget<'_> {
    /// The program for a tile of a width and height that the model can process.
    pub fn prepare(&self, [width, height]: [usize; 2]) -> Result<Prepared, UpscaleError> {
        let graphs = graphs(self.settings, [width, height])?;
        let options = PrepareOptions::default();
        match self.device {
            Device::Cpu(cpu) => {
                let (threads, precision) = (cpu.threads, self.precision);
                let target = Target::Cpu { threads, precision };
                Ok(target.prepare(&graphs, &options)?)
            }
            Device::Gpu(adapter) => {
                let target = Target::gpu(adapter, self.precision).tuned(self.tuning.clone());
                let prepared = target.prepare(&graphs, &options);
                prepared.map_err(|error| UpscaleError::of_gpu(self.device, error))
            }
        }
    }

    /// Cuts an image of `size` into tiles that fit, as few as possible, and
    /// prepares their program unless its memory is `known`.
    pub fn tiling(
        &self,
        size: [usize; 2],
        choice: TileChoice,
        held: &Held,
        known: Known<'_>,
    ) -> Result<(Tiling, Option<Prepared>), UpscaleError> {
        if let Some(&side) = size.iter().find(|&&side| side > LONGEST_SIDE) {
            let shortage = Shortage::Limit {
                what: "the longer side".to_owned(),
                needed: side as u64,
                limit: LONGEST_SIDE as u64,
            };
            return Err(self.too_large(size, shortage));
        }
        let chosen = match choice {
            TileChoice::Auto => Tiling::whole(self.settings, size),
            TileChoice::AtMost(side) => Tiling::within(self.settings, size, side),
        };
        let mut shortage = None;
        let [width, height] = chosen.tile();
        let is_small =
            width.saturating_mul(height) <= MOST_PIXELS || known(chosen.tile()).is_some();
        let model = match is_small {
            true => None,
            false => Some(self.memory_model()?),
        };
        // One in one piece that is far from fitting is not worth a program.
        let is_hopeless = |model: &MemoryModel| model.bytes(&chosen) / 2.0 > self.bytes as f64;
        if !model.as_ref().is_some_and(is_hopeless) {
            match self.checked(&chosen, held, known)? {
                Ok(prepared) => return Ok((chosen, prepared)),
                Err(found) => shortage = Some(found),
            }
        }
        let model = model.map_or_else(|| self.memory_model(), Ok)?;
        // What the program of a tile was found to need may be a little off, but for
        // the weights.
        let free = self.bytes as f64 - model.fixed as f64;
        for slack in [1.0, 0.9, 0.75, 0.5, 0.25, 0.1] {
            let fits = |tiling: &Tiling| {
                let [width, height] = tiling.tile();
                let most = self.refused.map_or(MOST_PIXELS, |refused| {
                    MOST_PIXELS.min(refused.saturating_sub(1) / 2)
                });
                let most = (most as f64 * slack) as usize;
                let within = match choice {
                    TileChoice::Auto => true,
                    TileChoice::AtMost(side) => width.max(height) <= side,
                };
                within
                    && width * height <= most.max(SMALLEST_TILE * SMALLEST_TILE)
                    && self.estimate(&model, tiling, held) <= free * slack
            };
            let Some(tiling) = Tiling::fitting(self.settings, size, fits) else {
                continue;
            };
            match self.checked(&tiling, held, known)? {
                Ok(prepared) => return Ok((tiling, prepared)),
                Err(found) => shortage = Some(found),
            }
        }
        let mut shortage = shortage.filter(|s| matches!(s, Shortage::Limit { .. }));
        for tiling in self.least(&model, size, held) {
            match self.checked(&tiling, held, known)? {
                Ok(prepared) => return Ok((tiling, prepared)),
                Err(found) => {
                    shortage = Some(match shortage {
                        Some(shortage) => shortage.lesser(found),
                        None => found,
                    });
                }
            }
        }
        let shortage = shortage.expect("one tiling at least was checked");
        Err(self.too_large(size, shortage))
    }

    /// The tilings that are to need least, whatever there is: small tiles, but not
    /// always the smallest, as what they share is there twice.
    fn least(&self, model: &MemoryModel, size: [usize; 2], held: &Held) -> Vec<Tiling> {
        /// Sides of tiles in LR pixels.
        const SIDES: [usize; 7] = [16, 20, 24, 32, 48, 64, 128];
        /// How many are worth a program each.
        const COUNT: usize = 3;
        let tiling = |side: &usize| Tiling::within(self.settings, size, *side);
        let mut all: Vec<Tiling> = SIDES.iter().map(tiling).collect();
        all.dedup();
        // In ascending order: if not even the smallest is left, it tells what it needs.
        let is_left = |tiling: &Tiling| self.refused.is_none_or(|refused| tiling.area() < refused);
        let left = all.iter().filter(|tiling| is_left(tiling)).count();
        all.truncate(left.max(1));
        let estimate = |tiling: &Tiling| self.estimate(model, tiling, held);
        all.sort_by(|a, b| estimate(a).total_cmp(&estimate(b)));
        all.truncate(COUNT);
        all
    }

    /// Bytes that a tiling is to need besides the weights.
    fn estimate(&self, model: &MemoryModel, tiling: &Tiling, held: &Held) -> f64 {
        model.bytes(tiling) - model.fixed as f64 + held.bytes(self.settings, tiling) as f64
    }

    fn memory_model(&self) -> Result<MemoryModel, UpscaleError> {
        let side = self.settings.padded_lr_side(REFERENCE);
        let memory = self.prepare([side, side])?.memory();
        Ok(MemoryModel {
            fixed: memory.weight_bytes,
            per_pixel: (memory.total_bytes() - memory.weight_bytes) as f64 / side.pow(2) as f64,
        })
    }

    fn too_large(&self, [width, height]: [usize; 2], shortage: Shortage) -> UpscaleError {
        let device = self.device.to_string();
        UpscaleError::TooLarge(Box::new(TooLarge {
            width,
            height,
            device,
            shortage,
        }))
    }

    /// The program of a tile unless it is known, or what the device has too little
    /// of.
    fn checked(
        &self,
        tiling: &Tiling,
        held: &Held,
        known: Known<'_>,
    ) -> Result<Result<Option<Prepared>, Shortage>, UpscaleError> {
        let (memory, prepared) = match known(tiling.tile()) {
            Some(memory) => (memory, None),
            None => {
                let prepared = self.prepare(tiling.tile())?;
                (prepared.memory(), Some(prepared))
            }
        };
        if self.refused.is_some_and(|refused| tiling.area() >= refused) {
            let needed = memory.total_bytes();
            return Ok(Err(Shortage::Refused { needed }));
        }
        let band = held.bytes(self.settings, tiling);
        let needed = memory.total_bytes().saturating_add(band);
        if needed > self.bytes {
            return Ok(Err(Shortage::Memory {
                needed,
                available: self.bytes,
                is_limited: self.is_limited,
            }));
        }
        // What is known was checked before.
        let lowered = prepared.as_ref().and_then(Prepared::lowered);
        let (Device::Gpu(adapter), Some(lowered)) = (self.device, lowered) else {
            return Ok(Ok(prepared));
        };
        match check_limits(adapter, lowered) {
            Err(ExecError::Limit {
                what,
                needed,
                limit,
                ..
            }) => Ok(Err(Shortage::Limit {
                what,
                needed,
                limit,
            })),
            // Loading reports any other error.
            _ => Ok(Ok(prepared)),
        }
    }
}

/// The memory of a tile's program that is there already.
pub(super) type Known<'a> = &'a dyn Fn([usize; 2]) -> Option<MemoryReport>;

/// How a program's memory grows with the tile.
struct MemoryModel {
    fixed: u64,
    per_pixel: f64,
}

impl MemoryModel {
    fn bytes(&self, tiling: &Tiling) -> f64 {
        let [width, height] = tiling.tile();
        self.fixed as f64 + self.per_pixel * width as f64 * height as f64
    }
}
