//! Gaussian noise; the twin of `shaders/noise.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use crate::diffusion::noise::normal4;
use crate::exec::{ExecError, StepRecord};
use rayon::prelude::*;

pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    let x = loading.output(0)?;
    Ok(Box::new(move |record| {
        (0..x.shape.n * x.shape.h).into_par_iter().for_each(|row| {
            for column in 0..x.shape.w {
                // SAFETY: each row belongs to one task.
                let x_pixel = unsafe { x.pixel_mut(row * x.shape.w + column) };
                draw(record, &x, row, column, x_pixel);
            }
        });
    }))
}

/// Draws the noise of every channel of one pixel: column `column` of row
/// `row`, counted through all samples.
#[inline]
pub(super) fn draw(record: &StepRecord, of: &View, row: usize, column: usize, into: &mut [f32]) {
    let seed = u64::from(record.seed_high) << 32 | u64::from(record.seed_low);
    let place = record.places[row / of.shape.h];
    let x = place.x.wrapping_add(column as u32);
    let y = place.y.wrapping_add((row % of.shape.h) as u32);
    for (block, lanes) in into.chunks_mut(4).enumerate() {
        let normals = normal4(seed, x, y, place.sample, record.noise_step, block as u32);
        lanes.copy_from_slice(&normals[..lanes.len()]);
    }
}
