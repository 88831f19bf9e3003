//! The twin of `shaders/accumulate.wgsl`.

use super::kernel::{Kernel, Loading};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::Accumulate;
use rayon::prelude::*;

/// Elements of one task.
const CHUNK: usize = 1 << 14;

pub(super) fn load(loading: &Loading) -> Result<Kernel, ExecError> {
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
