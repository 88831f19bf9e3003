//! Zeros between pixels; the twin of `shaders/dilate.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_number};
use crate::exec::ExecError;
use crate::ops::Dilate;
use rayon::prelude::*;

pub(super) fn load(loading: &Loading, op: &Dilate) -> Result<Kernel, ExecError> {
    with_number!(loading.input_value(0).format.precision, T => load_as::<T>(loading, op))
}

fn load_as<T: Number>(loading: &Loading, op: &Dilate) -> Result<Kernel, ExecError> {
    let (x, y): (View<T>, View<T>) = (loading.input(0)?, loading.output(0)?);
    let stride = op.stride;
    Ok(Box::new(move |_| {
        (0..y.shape.n * y.shape.h).into_par_iter().for_each(|row| {
            let (n, i) = (row / y.shape.h, row % y.shape.h);
            let source = (n * x.shape.h + i / stride) * x.shape.w;
            for j in 0..y.shape.w {
                // SAFETY: y is another value, and each row of it belongs to
                // one task.
                let pixel = unsafe { y.pixel_mut(row * y.shape.w + j) };
                match i % stride == 0 && j % stride == 0 {
                    // SAFETY: nothing writes x meanwhile.
                    true => pixel.copy_from_slice(unsafe { x.pixel(source + j / stride) }),
                    false => pixel.fill(T::zeroed()),
                }
            }
        });
    }))
}
