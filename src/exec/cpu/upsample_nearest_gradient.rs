//! The gradient of enlargement by repetition; the twin of
//! `shaders/upsample_nearest_gradient.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_number};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::UpsampleNearestGradient;
use rayon::prelude::*;

pub(super) fn load(loading: &Loading, op: &UpsampleNearestGradient) -> Result<Kernel, ExecError> {
    with_number!(loading.input_value(0).format.precision, T => load_as::<T>(loading, op))
}

fn load_as<T: Number>(
    loading: &Loading,
    op: &UpsampleNearestGradient,
) -> Result<Kernel, ExecError> {
    let (dy, dx): (View<T>, View<T>) = (loading.input(0)?, loading.output(0)?);
    let factor = op.factor;
    Ok(Box::new(move |_| {
        (0..dx.shape.n * dx.shape.h)
            .into_par_iter()
            .for_each(|row| {
                vectorized!({
                    let mut sums = vec![0.0f32; dx.shape.c];
                    for j in 0..dx.shape.w {
                        sums.fill(0.0);
                        for at in 0..factor * factor {
                            // Rows are counted through all samples.
                            let i = row * factor + at / factor;
                            let j = j * factor + at % factor;
                            // SAFETY: nothing writes dy meanwhile.
                            let pixel = unsafe { dy.pixel(i * dy.shape.w + j) };
                            for (sum, v) in sums.iter_mut().zip(pixel) {
                                *sum += v.to_f32();
                            }
                        }
                        // SAFETY: dx is another value, and each row of it belongs
                        // to one task.
                        let pixel = unsafe { dx.pixel_mut(row * dx.shape.w + j) };
                        for (v, sum) in pixel.iter_mut().zip(&sums) {
                            *v = T::from_f32(*sum);
                        }
                    }
                });
            });
    }))
}
