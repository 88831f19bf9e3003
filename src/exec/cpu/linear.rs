//! Fully connected layer; the twin of `shaders/linear.wgsl`.

use super::kernel::{Kernel, Loading};
use super::products::multiply;
use crate::exec::ExecError;
use crate::ops::Linear;
use rayon::prelude::*;

/// Rows of one task.
const CHUNK: usize = 32;

pub(super) fn load(loading: &mut Loading) -> Result<Kernel, ExecError> {
    let (x, y) = (loading.input(Linear::X), loading.output(0));
    let (rows, inputs, outputs) = (x.shape.n, x.shape.c, y.shape.c);
    let weight = loading.weight(Linear::WEIGHT)?;
    let bias = loading.weight(Linear::BIAS)?.into_owned();
    let mut packed = vec![0.0; weight.len()];
    for o in 0..outputs {
        for c in 0..inputs {
            packed[c * outputs + o] = weight[o * inputs + c];
        }
    }
    Ok(Box::new(move |_| {
        (0..rows.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            let first = chunk * CHUNK;
            let count = CHUNK.min(rows - first);
            for row in first..first + count {
                // SAFETY: each row belongs to one task.
                unsafe { y.pixel_mut(row).copy_from_slice(&bias) };
            }
            // SAFETY: `count` rows from `first` on lie in both slots.
            unsafe {
                let (x_at, y_at) = (x.address(first), y.address(first));
                multiply(count, x_at, x.pitch, &packed, outputs, y_at, y.pitch, true);
            }
        });
    }))
}
