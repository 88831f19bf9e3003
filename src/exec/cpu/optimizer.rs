//! Parameters and their gradients; the twins of `shaders/accumulate.wgsl`,
//! `shaders/squared_norms.wgsl` and `shaders/adam.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::{Accumulate, Adam, AdamStep};
use rayon::prelude::*;

/// Elements of one task.
const CHUNK: usize = 1 << 14;
/// Squares that are added up in f32 before the sum goes on in f64.
const RUN: usize = 64;

pub(super) fn load_accumulate(loading: &Loading) -> Result<Kernel, ExecError> {
    let total = loading.tensor_output(Accumulate::TOTAL)?;
    let x = loading.tensor_input(Accumulate::X)?;
    Ok(Box::new(move |_| {
        // SAFETY: different values, and nobody else touches them meanwhile.
        let (total, x) = unsafe { (total.pixel_mut(0), x.pixel(0)) };
        let chunks = total.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
        chunks.for_each(|(total, x)| {
            vectorized!({
                for (total, x) in total.iter_mut().zip(x) {
                    *total += x;
                }
            });
        });
    }))
}

pub(super) fn load_squared_norms(loading: &Loading) -> Result<Kernel, ExecError> {
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

pub(super) fn load_adam(loading: &Loading, op: &Adam) -> Result<Kernel, ExecError> {
    let updated = [Adam::PARAMETER, Adam::M, Adam::V, Adam::AVERAGE];
    let [parameter, m, v, average] = updated.map(|index| loading.tensor_output(index));
    let [parameter, m, v, average] = [parameter?, m?, v?, average?];
    let gradient = loading.tensor_input(Adam::GRADIENT)?;
    let step = loading.tensor_input(Adam::STEP)?;
    let Adam {
        beta1,
        beta2,
        epsilon,
    } = *op;
    Ok(Box::new(move |_| {
        // SAFETY: nothing writes it meanwhile; its length is that of a step.
        let step = AdamStep::of(unsafe { step.pixel(0) });
        // SAFETY: different values, and nobody else touches them meanwhile.
        let [parameter, m, v, average] =
            [parameter, m, v, average].map(|view| unsafe { view.pixel_mut(0) });
        // SAFETY: as above.
        let gradient = unsafe { gradient.pixel(0) };
        let chunks = parameter
            .par_chunks_mut(CHUNK)
            .zip(m.par_chunks_mut(CHUNK))
            .zip(v.par_chunks_mut(CHUNK))
            .zip(average.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK));
        chunks.for_each(|((((parameter, m), v), average), gradient)| {
            vectorized!({
                for i in 0..parameter.len() {
                    let p = parameter[i];
                    let g = gradient[i] * step.gradient_scale + step.l2 * p;
                    let first = beta1 * m[i] + (1.0 - beta1) * g;
                    let second = beta2 * v[i] + (1.0 - beta2) * g * g;
                    let root = (second / step.correction2).sqrt();
                    let change = first / step.correction1 / (root + epsilon) + step.decay * p;
                    let next = p - step.rate * change;
                    (m[i], v[i], parameter[i]) = (first, second, next);
                    average[i] = step.average * average[i] + (1.0 - step.average) * next;
                }
            });
        });
    }))
}
