//! How much memory a run takes besides the program of its tile.

use super::super::sample_options::SampleOptions;
use super::super::tiling::Tiling;
use crate::exec::StepRecord;
use crate::model::Settings;

/// What the memory of a run depends on.
#[derive(Clone, Copy)]
pub struct Held {
    steps: usize,
    keeps_estimates: bool,
    /// Whether the host works on one tile, too, between its phases.
    needs_canvas: bool,
    is_consistent: bool,
    is_edited: bool,
}

impl Held {
    /// Of a run with these step records, from an image of the result's size if it
    /// is `edited`.
    pub fn new(records: &[StepRecord], sample: &SampleOptions, is_edited: bool) -> Self {
        Self {
            steps: records.len() - 1,
            keeps_estimates: keeps_estimates(records),
            needs_canvas: sample.needs_canvas() || is_edited,
            is_consistent: sample.consistent,
            is_edited,
        }
    }

    #[cfg(feature = "gpu")]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Whether a run over these tiles has a canvas.
    pub fn has_canvas(&self, tiling: &Tiling) -> bool {
        self.needs_canvas || tiling.count() > 1
    }

    /// The most bytes that the host has at a time of the canvas, of the tiles'
    /// features and of the tile that it works on.
    pub fn bytes(&self, settings: &Settings, tiling: &Tiling) -> u64 {
        if !self.has_canvas(tiling) {
            return 0;
        }
        let Tiling { columns, rows } = tiling;
        // Elements of three planes of the result for each LR pixel.
        let planes = 3 * settings.scale.pow(2) as u128;
        let segments = rows.count.min(self.steps + 2);
        let held_rows = rows.length().min(segments * rows.stride() + rows.overlap);
        let canvas = (columns.length() * held_rows) as u128 * planes;
        let of_canvas = if self.keeps_estimates { 3 } else { 2 };

        let tile = (columns.tile * rows.tile) as u128;
        let encoded = tile * (segments * columns.count) as u128;
        let of_encoded = settings.conditioning_channels() as u128
            + match settings.up_input {
                true => planes,
                false => 0,
            };
        // A copy of x; for the correction, three planes of one channel and seven of
        // LR size.
        let of_tile = planes
            + match self.is_consistent {
                true => planes + 7,
                false => 0,
            };
        // A segment of the image to start from and of the enlarged input, of which
        // one channel is there twice.
        let begun = match self.is_edited {
            true => (columns.length() * rows.tile) as u128 * planes * 7 / 3,
            false => 0,
        };
        let elements = of_canvas * canvas + of_encoded * encoded + begun.max(of_tile * tile);
        u64::try_from(elements * size_of::<f32>() as u128).unwrap_or(u64::MAX)
    }
}

/// Whether the sampler needs the estimate of the step before.
pub fn keeps_estimates(records: &[StepRecord]) -> bool {
    records.iter().any(|record| record.from_previous_x0 != 0.0)
}
