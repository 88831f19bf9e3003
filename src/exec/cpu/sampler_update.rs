//! From x_t to the next x; the twin of `shaders/sampler_update.wgsl`.

use super::kernel::{Kernel, Loading};
use super::noise::draw;
use crate::exec::{ExecError, StepRecord};
use crate::ops::{NoiseSource, SamplerUpdate};
use rayon::prelude::*;

/// One element of the next x.
#[inline]
pub fn next_x(record: &StepRecord, x: f32, x0: f32, previous_x0: f32, z: f32) -> f32 {
    let mut next = record.from_x * x + record.from_x0 * x0;
    if record.from_previous_x0 != 0.0 {
        next += record.from_previous_x0 * previous_x0;
    }
    next + record.sigma * z
}

pub(super) fn load(loading: &Loading, op: &SamplerUpdate) -> Result<Kernel, ExecError> {
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
