//! The reverse process; the twins of `shaders/noise.wgsl`,
//! `shaders/estimate_x0.wgsl`, `shaders/sampler_update.wgsl` and
//! `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::diffusion::noise::normals_of_run;
use crate::exec::{ExecError, StepRecord};
use crate::graph::Shape;
use crate::ops::{EstimateX0, NoiseSource, Reconstruct, SamplerUpdate};
use rayon::prelude::*;

pub(super) fn load_noise(loading: &Loading) -> Result<Kernel, ExecError> {
    let x: View = loading.output(0)?;
    Ok(Box::new(move |record| {
        let Shape { n, c, h, w } = x.shape;
        (0..n * h).into_par_iter().for_each(|row| {
            let mut z = vec![0.0; w * c];
            draw(record, x.shape, row, &mut z);
            for (column, z) in z.chunks_exact(c).enumerate() {
                // SAFETY: each row belongs to one task.
                unsafe { x.pixel_mut(row * w + column) }.copy_from_slice(z);
            }
        });
    }))
}

/// Pixels whose noise is drawn at once.
const RUN: usize = 64;

/// Draws the noise of row `row`, counted through all samples, to `z`:
/// `[columns][channels]`.
fn draw(record: &StepRecord, shape: Shape, row: usize, z: &mut [f32]) {
    let seed = record.seed();
    let (place, step) = (record.places[row / shape.h], record.noise_step);
    let y = place.y.wrapping_add((row % shape.h) as u32);
    let mut normals = [[0.0; 4]; RUN];
    for (run, z) in z.chunks_mut(RUN * shape.c).enumerate() {
        let x = place.x.wrapping_add((run * RUN) as u32);
        for block in 0..shape.c.div_ceil(4) {
            vectorized!({
                let counter = ([x, y], place.sample, step, block as u32);
                normals_of_run(seed, counter, &mut normals);
            });
            for (z, normals) in z.chunks_exact_mut(shape.c).zip(&normals) {
                let lanes = &mut z[4 * block..];
                let count = lanes.len().min(4);
                lanes[..count].copy_from_slice(&normals[..count]);
            }
        }
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
    let x: View = loading.output(SamplerUpdate::X)?;
    let previous: View = loading.output(SamplerUpdate::KEPT)?;
    let x0: View = loading.input(SamplerUpdate::X0)?;
    let replayed: Option<View> = match op.noise {
        NoiseSource::Generated => None,
        NoiseSource::Replayed => Some(loading.input(SamplerUpdate::Z)?),
    };
    Ok(Box::new(move |record| {
        let Shape { n, c, h, w } = x.shape;
        (0..n * h).into_par_iter().for_each(|row| {
            let mut noise = vec![0.0; w * c];
            if record.sigma != 0.0 && replayed.is_none() {
                draw(record, x.shape, row, &mut noise);
            }
            for (column, noise) in noise.chunks_exact(c).enumerate() {
                let p = row * w + column;
                let z = match replayed {
                    // SAFETY: nothing writes z meanwhile.
                    Some(z) if record.sigma != 0.0 => unsafe { z.pixel(p) },
                    _ => noise,
                };
                // SAFETY: x and previous are values of their own, and each row
                // of them belongs to one task; nothing writes x0 meanwhile.
                let (x, previous, x0) =
                    unsafe { (x.pixel_mut(p), previous.pixel_mut(p), x0.pixel(p)) };
                for i in 0..c {
                    x[i] = next_x(record, x[i], x0[i], previous[i], z[i]);
                    previous[i] = x0[i];
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
