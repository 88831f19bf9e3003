//! The twin of `shaders/squared_norms.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::exec::ExecError;
use rayon::prelude::*;

/// Squares that are added up in f32 before the sum goes on in f64.
const RUN: usize = 64;

pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
    let tensors = 0..loading.node.inputs.len();
    let tensors: Vec<View> = tensors
        .map(|index| loading.tensor_input(index))
        .collect::<Result<_, _>>()?;
    let y: View = loading.output(0)?;
    Ok(Box::new(move |_| {
        tensors.par_iter().enumerate().for_each(|(index, tensor)| {
            // SAFETY: nothing writes it meanwhile.
            let elements = unsafe { tensor.pixel(0) };
            let mut sum = 0.0f64;
            vectorized!(fma => {
                for run in elements.chunks(RUN * 16) {
                    let mut lanes = [0.0f32; 16];
                    let (whole, rest) = run.as_chunks::<16>();
                    for v in whole {
                        for (lane, &v) in lanes.iter_mut().zip(v) {
                            *lane = fma.fma(v, v, *lane);
                        }
                    }
                    sum += lanes.iter().map(|&v| f64::from(v)).sum::<f64>();
                    sum += rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
                }
            });
            // SAFETY: each pixel of y belongs to one task.
            unsafe { y.pixel_mut(index)[0] = sum as f32 };
        });
    }))
}
