//! Which tiles of an image fit the memory of a device.

use super::device::Device;
use super::error::{Shortage, TooLarge, UpscaleError};
use super::tiled;
use super::tiling::{SMALLEST_TILE, TileChoice, Tiling};
use crate::exec::gpu::check_limits;
use crate::exec::gpu::tuning::Tuning;
use crate::exec::{ExecError, PrepareOptions, Prepared, StepRecord, Target};
use crate::graph::{Graph, GraphError};
use crate::model::{PhaseOptions, Settings, phases};
use crate::ops::NoiseSource;
use crate::plan::Precision;
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
        let target = match self.device {
            Device::Cpu(cpu) => Target::Cpu {
                threads: cpu.threads,
                precision: self.precision,
            },
            Device::Gpu(adapter) => Target::gpu(adapter, self.precision).tuned(self.tuning.clone()),
        };
        Ok(target.prepare(&graphs, &PrepareOptions::default())?)
    }

    /// Cuts an image of `size` into tiles that fit, as few as possible, and
    /// prepares their program unless it is `known`.
    pub fn tiling(
        &self,
        size: [usize; 2],
        choice: TileChoice,
        records: &[StepRecord],
        known: &dyn Fn([usize; 2]) -> bool,
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
        if known(chosen.tile()) {
            return Ok((chosen, None));
        }
        let mut shortage = None;
        let [width, height] = chosen.tile();
        let is_small = width.saturating_mul(height) <= MOST_PIXELS;
        let model = match is_small {
            true => None,
            false => Some(self.memory_model()?),
        };
        // One in one piece that is far from fitting is not worth a program.
        let is_hopeless = |model: &MemoryModel| model.bytes(&chosen) / 2.0 > self.bytes as f64;
        if !model.as_ref().is_some_and(is_hopeless) {
            match self.checked(&chosen, records)? {
                Ok(prepared) => return Ok((chosen, Some(prepared))),
                Err(found) => shortage = Some(found),
            }
        }
        let model = model.map_or_else(|| self.memory_model(), Ok)?;
        // What the program of a tile was found to need may be a little off.
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
                let band = self.band_bytes(tiling, records) as f64;
                within
                    && width * height <= most.max(SMALLEST_TILE * SMALLEST_TILE)
                    && model.bytes(tiling) + band <= self.bytes as f64 * slack
            };
            let Some(tiling) = Tiling::fitting(self.settings, size, fits) else {
                continue;
            };
            if known(tiling.tile()) {
                return Ok((tiling, None));
            }
            match self.checked(&tiling, records)? {
                Ok(prepared) => return Ok((tiling, Some(prepared))),
                Err(found) => shortage = Some(found),
            }
        }
        let smallest = Tiling::within(self.settings, size, SMALLEST_TILE);
        let shortage = match self.checked(&smallest, records)? {
            Ok(prepared) => return Ok((smallest, Some(prepared))),
            Err(found) => shortage
                .filter(|s| matches!(s, Shortage::Limit { .. }))
                .unwrap_or(found),
        };
        Err(self.too_large(size, shortage))
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

    /// The program of a tile, or what the device has too little of.
    fn checked(
        &self,
        tiling: &Tiling,
        records: &[StepRecord],
    ) -> Result<Result<Prepared, Shortage>, UpscaleError> {
        let [width, height] = tiling.tile();
        if self
            .refused
            .is_some_and(|refused| width * height >= refused)
        {
            let needed = self.prepare(tiling.tile())?.memory().total_bytes();
            return Ok(Err(Shortage::Refused { needed }));
        }
        let prepared = self.prepare(tiling.tile())?;
        let needed = prepared.memory().total_bytes() + self.band_bytes(tiling, records);
        if needed > self.bytes {
            return Ok(Err(Shortage::Memory {
                needed,
                available: self.bytes,
            }));
        }
        let (Device::Gpu(adapter), Some(lowered)) = (self.device, prepared.lowered()) else {
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

    /// Bytes of the canvas that a run over tiles holds at a time.
    fn band_bytes(&self, tiling: &Tiling, records: &[StepRecord]) -> u64 {
        if tiling.count() == 1 {
            return 0;
        }
        let scale = self.settings.scale as u64;
        let steps = records.len() as u64 - 1;
        let segments = (tiling.rows.count as u64).min(steps + 2);
        let pixels = (tiling.columns.length() * tiling.rows.stride()) as u64 * scale * scale;
        let overlapping = (tiling.columns.count * tiling.columns.tile * tiling.rows.tile) as u64;
        let features = overlapping * self.settings.conditioning_channels() as u64 * 4;
        let up = match self.settings.up_input {
            true => overlapping * scale * scale * 12,
            false => 0,
        };
        segments * (pixels * tiled::canvas_bytes(records) + features + up)
    }
}

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

/// The phases for a tile of `width` x `height` LR pixels.
pub(super) fn graphs(
    settings: &Settings,
    [width, height]: [usize; 2],
) -> Result<Vec<Graph>, GraphError> {
    let options = PhaseOptions {
        batch: 1,
        height,
        width,
        noise: NoiseSource::Generated,
        sr_head: false,
    };
    phases::build(settings, &options)
}
