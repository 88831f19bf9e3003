//! The twin of `shaders/adam.wgsl`.

use super::kernel::{Kernel, Loading};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::{Adam, AdamStep};
use rayon::prelude::*;

/// Elements of one task.
const CHUNK: usize = 1 << 14;

pub(super) fn load(loading: &Loading, op: &Adam) -> Result<Kernel, ExecError> {
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
