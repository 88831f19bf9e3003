//! The twin of `shaders/upsample_nearest.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_number};
use crate::exec::ExecError;
use crate::ops::UpsampleNearest;
use rayon::prelude::*;

pub(super) fn load(loading: &Loading, op: &UpsampleNearest) -> Result<Kernel, ExecError> {
    let precision = loading.input_value(0).format.precision;
    with_number!(precision, T => load_as::<T>(loading, op))
}

fn load_as<T: Number>(loading: &Loading, op: &UpsampleNearest) -> Result<Kernel, ExecError> {
    let (x, y): (View<T>, View<T>) = (loading.input(0)?, loading.output(0)?);
    let factor = op.factor;
    Ok(Box::new(move |_| {
        (0..y.shape.n * y.shape.h).into_par_iter().for_each(|row| {
            let (n, i) = (row / y.shape.h, row % y.shape.h);
            let source = (n * x.shape.h + i / factor) * x.shape.w;
            for j in 0..y.shape.w {
                // SAFETY: y is another value, and each row of it belongs to
                // one task.
                unsafe {
                    let from = x.pixel(source + j / factor);
                    y.pixel_mut(row * y.shape.w + j).copy_from_slice(from);
                }
            }
        });
    }))
}
