//! One reverse diffusion step; the twin of `shaders/sampler_update.wgsl`.

use super::kernel::{Kernel, Loading};
use super::noise::draw;
use crate::ops::{NoiseSource, SamplerUpdate};
use rayon::prelude::*;

pub(super) fn load(loading: &mut Loading, op: &SamplerUpdate) -> Kernel {
    let eps = loading.input(SamplerUpdate::EPS);
    let x = loading.output(SamplerUpdate::X);
    let x0 = loading.output(SamplerUpdate::X0);
    let replayed = match op.noise {
        NoiseSource::Generated => None,
        NoiseSource::Replayed => Some(loading.input(SamplerUpdate::Z)),
    };
    Box::new(move |record| {
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
                // SAFETY: x and x0 are values of their own, and each row of
                // them belongs to one task.
                let (x, x0, eps) = unsafe { (x.pixel_mut(p), x0.pixel_mut(p), eps.pixel(p)) };
                for c in 0..shape.c {
                    let estimate = record.x0_from_x * x[c] - record.x0_from_eps * eps[c];
                    // NaN stays, for the host to see.
                    let clipped = match estimate.is_finite() {
                        true => estimate.clamp(-record.clip, record.clip),
                        false => estimate,
                    };
                    // Whatever corrects the estimate of x0 belongs here.
                    let mean = record.from_x * x[c]
                        + record.from_x0 * clipped
                        + record.from_previous_x0 * x0[c];
                    x[c] = mean + record.sigma * z[c];
                    x0[c] = clipped;
                }
            }
        });
    })
}
