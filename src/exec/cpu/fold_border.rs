//! The gradient of padding; the twin of `shaders/fold_border.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::number::{Number, with_number};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::{FoldBorder, Padding};
use rayon::prelude::*;

pub(super) fn load(loading: &Loading, op: &FoldBorder) -> Result<Kernel, ExecError> {
    with_number!(loading.input_value(0).format.precision, T => load_as::<T>(loading, op))
}

fn load_as<T: Number>(loading: &Loading, op: &FoldBorder) -> Result<Kernel, ExecError> {
    let (x, y): (View<T>, View<T>) = (loading.input(0)?, loading.output(0)?);
    let reflects = op.padding == Padding::Reflect;
    Ok(Box::new(move |_| {
        (0..y.shape.n * y.shape.h).into_par_iter().for_each(|row| {
            let (n, i) = (row / y.shape.h, row % y.shape.h);
            let rows = sources(i, y.shape.h, reflects);
            vectorized!({
                // In f32: in bf16 each addition would round.
                let mut sums = vec![0.0f32; y.shape.c];
                for j in 0..y.shape.w {
                    // SAFETY: y is another value, and each row of it belongs
                    // to one task.
                    let pixel = unsafe { y.pixel_mut(row * y.shape.w + j) };
                    // SAFETY: nothing writes x meanwhile.
                    let at = |i, j| unsafe { x.pixel((n * x.shape.h + i) * x.shape.w + j) };
                    let columns = sources(j, y.shape.w, reflects);
                    if rows.iter().chain(&columns).flatten().count() == 2 {
                        pixel.copy_from_slice(at(i + 1, j + 1));
                        continue;
                    }
                    sums.fill(0.0);
                    let copies = rows
                        .iter()
                        .flatten()
                        .flat_map(|&i| columns.iter().flatten().map(move |&j| (i, j)));
                    for (i, j) in copies {
                        for (sum, copy) in sums.iter_mut().zip(at(i, j)) {
                            *sum += copy.to_f32();
                        }
                    }
                    for (pixel, &sum) in pixel.iter_mut().zip(&sums) {
                        *pixel = T::from_f32(sum);
                    }
                }
            });
        });
    }))
}

/// The coordinates in the padded axis of the pixel `i` of `n` and of its copies.
fn sources(i: usize, n: usize, reflects: bool) -> [Option<usize>; 3] {
    [
        Some(i + 1),
        (reflects && i == 1).then_some(0),
        (reflects && i + 2 == n).then_some(n + 1),
    ]
}
