//! What one run of a phase is told.

use crate::ops::MAX_BATCH;
use bytemuck::{Pod, Zeroable};

/// Where in the noise one element of a batch lies: a sample, or a tile of one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Place {
    /// Absolute position of its first pixel, x (negative as its i32 bits).
    pub x: u32,
    /// Absolute position of its first pixel, y.
    pub y: u32,
    /// Index of the sample.
    pub sample: u32,
    /// Nothing.
    pub padding: u32,
}

impl Place {
    /// The places of a batch of whole pictures: sample `first` and those after it.
    pub fn samples(first: u32) -> [Place; MAX_BATCH] {
        std::array::from_fn(|n| Place {
            sample: first.wrapping_add(n as u32),
            ..Place::default()
        })
    }
}

/// The record of one step: which row of the time tables, the sampler's
/// coefficients (see [`crate::ops::SamplerUpdate`]), and the noise's key.
///
/// 240 bytes, the layout of `struct StepRecord` in the shaders. All records of
/// a reverse process are uploaded once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct StepRecord {
    /// Row of the time tables: the timestep of the noise prediction.
    pub table_row: u32,
    /// The step index that keys the noise.
    pub noise_step: u32,
    /// Low half of the seed.
    pub seed_low: u32,
    /// High half of the seed.
    pub seed_high: u32,
    /// Bound of the x0 estimate's magnitude.
    pub clip: f32,
    /// Factor of x in the x0 estimate.
    pub x0_from_x: f32,
    /// Factor of eps in the x0 estimate (subtracted).
    pub x0_from_eps: f32,
    /// Factor of x in the next x.
    pub from_x: f32,
    /// Factor of the x0 estimate in the next x.
    pub from_x0: f32,
    /// Factor of the previous x0 estimate in the next x.
    pub from_previous_x0: f32,
    /// Standard deviation of the noise added.
    pub sigma: f32,
    /// Nothing.
    pub padding: u32,
    /// Of each batch element.
    pub places: [Place; MAX_BATCH],
}
