//! What differs from one run of a phase to the next.

use crate::ops::MAX_BATCH;
use crate::plan::TimeTable;
use bytemuck::{Pod, Zeroable};

/// What one element of a batch is: a sample, or a tile of one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Place {
    /// Absolute position of its first pixel (negative as its i32 bits).
    pub x: u32,
    pub y: u32,
    pub sample: u32,
    /// Row of the time tables: the timestep of the noise prediction.
    pub table_row: u32,
}

impl Place {
    /// A batch of whole images: sample `first` and those after it.
    pub fn samples(first: u32) -> [Place; MAX_BATCH] {
        std::array::from_fn(|n| Place {
            sample: first.wrapping_add(n as u32),
            ..Place::default()
        })
    }
}

/// The record of one step of the reverse process: the sampler's coefficients
/// (see [`crate::ops::EstimateX0`] and [`crate::ops::SamplerUpdate`]), the key
/// of the noise, and what each batch element is.
///
/// 240 bytes, the layout of `struct StepRecord` in the shaders. All records of
/// a reverse process are uploaded once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct StepRecord {
    pub padding_0: u32,
    /// The step index that keys the noise.
    pub noise_step: u32,
    pub seed_low: u32,
    pub seed_high: u32,
    /// Bound of the x0 estimate's magnitude.
    pub clip: f32,
    pub x0_from_x: f32,
    pub x0_from_eps: f32,
    pub from_x: f32,
    pub from_x0: f32,
    pub from_previous_x0: f32,
    /// Standard deviation of the noise added.
    pub sigma: f32,
    pub padding_1: u32,
    pub places: [Place; MAX_BATCH],
}

/// Refuses records that would have an operation read beyond a table: kernels
/// rely on the rows.
pub(super) fn check_rows(records: &[StepRecord], tables: &[TimeTable]) -> Result<(), String> {
    for (index, record) in records.iter().enumerate() {
        for &TimeTable { batch, rows } in tables {
            let places = record.places.iter().take(batch);
            let mut chosen = places.map(|place| place.table_row as usize);
            if let Some(row) = chosen.find(|&row| row >= rows) {
                return Err(format!(
                    "step record {index} chooses row {row} of a table of {rows}"
                ));
            }
        }
    }
    Ok(())
}

impl StepRecord {
    /// A record whose batch elements read the rows of the time tables in order.
    pub fn with_rows_in_order() -> Self {
        Self {
            places: std::array::from_fn(|n| Place {
                table_row: n as u32,
                ..Place::default()
            }),
            ..Self::default()
        }
    }

    /// The same record with the noise of a seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self {
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            ..self
        }
    }

    /// The seed of the noise.
    #[inline]
    pub fn seed(&self) -> u64 {
        u64::from(self.seed_high) << 32 | u64::from(self.seed_low)
    }

    /// The same record with the noise predicted for one timestep everywhere.
    pub fn at_timestep(mut self, timestep: u32) -> Self {
        for place in &mut self.places {
            place.table_row = timestep;
        }
        self
    }
}
