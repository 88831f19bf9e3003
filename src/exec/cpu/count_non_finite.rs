//! Counts NaN and infinities; the twin of `shaders/count_non_finite.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use crate::exec::ExecError;
use rayon::prelude::*;

pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    let (x, y): (View, View) = (loading.input(0)?, loading.output(0)?);
    let width = x.shape.w;
    Ok(Box::new(move |_| {
        (0..x.shape.n * x.shape.h).into_par_iter().for_each(|row| {
            let count: usize = (row * width..(row + 1) * width)
                .map(|p| {
                    // SAFETY: nothing writes x meanwhile.
                    let pixel = unsafe { x.pixel(p) };
                    pixel.iter().filter(|v| !v.is_finite()).count()
                })
                .sum();
            // SAFETY: y is another value, and each row belongs to one task.
            unsafe { y.pixel_mut(row)[0] = count as f32 };
        });
    }))
}
