//! The reverse process; the twins of `shaders/noise.wgsl`,
//! `shaders/estimate_x0.wgsl`, `shaders/sampler_update.wgsl` and
//! `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use crate::diffusion::noise::normal4;
use crate::exec::{ExecError, StepRecord};
use crate::ops::{EstimateX0, NoiseSource, Reconstruct, SamplerUpdate};
use rayon::prelude::*;

pub(super) fn load_noise(loading: &Loading) -> Result<Kernel, ExecError> {
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
fn draw(record: &StepRecord, of: &View, row: usize, column: usize, into: &mut [f32]) {
    let seed = u64::from(record.seed_high) << 32 | u64::from(record.seed_low);
    let place = record.places[row / of.shape.h];
    let x = place.x.wrapping_add(column as u32);
    let y = place.y.wrapping_add((row % of.shape.h) as u32);
    for (block, lanes) in into.chunks_mut(4).enumerate() {
        let normals = normal4(seed, x, y, place.sample, record.noise_step, block as u32);
        lanes.copy_from_slice(&normals[..lanes.len()]);
    }
}

/// One element of the next x.
#[inline]
pub fn next_x(record: &StepRecord, x: f32, x0: f32, previous_x0: f32, z: f32) -> f32 {
    let mut next = record.from_x * x + record.from_x0 * x0;
    if record.from_previous_x0 != 0.0 {
        next += record.from_previous_x0 * previous_x0;
    }
    next + record.sigma * z
}

pub(super) fn load_sampler_update(
    loading: &Loading,
    op: &SamplerUpdate,
) -> Result<Kernel, ExecError> {
    let x = loading.output(SamplerUpdate::X)?;
    let previous = loading.output(SamplerUpdate::KEPT)?;
    let x0 = loading.input(SamplerUpdate::X0)?;
    let replayed = match op.noise {
        NoiseSource::Generated => None,
        NoiseSource::Replayed => Some(loading.input(SamplerUpdate::Z)?),
    };
    Ok(Box::new(move |record| {
        let shape = x.shape;
        (0..shape.n * shape.h).into_par_iter().for_each(|row| {
            let mut z = vec![0.0; shape.c];
            for column in 0..shape.w {
                let p = row * shape.w + column;
                if record.sigma != 0.0 {
                    match replayed {
                        // SAFETY: nothing writes z meanwhile.
                        Some(replayed) => z.copy_from_slice(unsafe { replayed.pixel(p) }),
                        None => draw(record, &x, row, column, &mut z),
                    }
                }
                // SAFETY: x and previous are values of their own, and each row
                // of them belongs to one task; nothing writes x0 meanwhile.
                let (x, previous, x0) =
                    unsafe { (x.pixel_mut(p), previous.pixel_mut(p), x0.pixel(p)) };
                for c in 0..shape.c {
                    x[c] = next_x(record, x[c], x0[c], previous[c], z[c]);
                    previous[c] = x0[c];
                }
            }
        });
    }))
}

pub(super) fn load_estimate_x0(loading: &Loading) -> Result<Kernel, ExecError> {
    let operands = [EstimateX0::X, EstimateX0::EPS];
    elementwise(loading, operands, |record, x, eps| {
        let estimate = record.x0_from_x * x - record.x0_from_eps * eps;
        // What is no number stays, for the host to see.
        match x.is_finite() && eps.is_finite() {
            true => estimate.clamp(-record.clip, record.clip),
            false => estimate,
        }
    })
}

pub(super) fn load_reconstruct(loading: &Loading, op: &Reconstruct) -> Result<Kernel, ExecError> {
    let res_rescale = op.res_rescale;
    elementwise(loading, [0, 1], move |_, x, up| {
        // NaN stays, for the host to see.
        let clipped = match x.is_finite() {
            true => x.clamp(-1.0, 1.0),
            false => x,
        };
        clipped / res_rescale + up
    })
}

/// Two values to one, element by element.
fn elementwise(
    loading: &Loading,
    [a, b]: [usize; 2],
    of: impl Fn(&StepRecord, f32, f32) -> f32 + Send + Sync + 'static,
) -> Result<Kernel, ExecError> {
    let (a, b, y) = (loading.input(a)?, loading.input(b)?, loading.output(0)?);
    Ok(Box::new(move |record| {
        let pixels = (0..a.shape.n * a.shape.pixels()).into_par_iter();
        pixels.with_min_len(4096).for_each(|p| {
            // SAFETY: y is another value, and each of its pixels belongs to
            // one task.
            let (a, b, y) = unsafe { (a.pixel(p), b.pixel(p), y.pixel_mut(p)) };
            for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                *y = of(record, a, b);
            }
        });
    }))
}
