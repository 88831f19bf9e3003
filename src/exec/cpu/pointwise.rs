//! An epilogue on its own; the twin of `shaders/pointwise.wgsl`.

use super::epilogue::BoundEpilogue;
use super::kernel::{Kernel, Loading};
use super::simd::vectorized;
use crate::exec::ExecError;
use crate::ops::Pointwise;
use rayon::prelude::*;

/// Pixels of one task.
const CHUNK: usize = 1024;

pub(super) fn load(loading: &Loading, op: &Pointwise) -> Result<Kernel, ExecError> {
    let x = loading.input(Pointwise::X)?;
    let epilogue = BoundEpilogue::new(loading, &op.epilogue, Pointwise::OPERANDS, None)?;
    let pixels = x.shape.pixels();
    let chunks = pixels.div_ceil(CHUNK);
    Ok(Box::new(move |record| {
        let terms = epilogue.terms(record);
        (0..x.shape.n * chunks).into_par_iter().for_each(|task| {
            let (n, chunk) = (task / chunks, task % chunks);
            let first = n * pixels + chunk * CHUNK;
            let end = n * pixels + pixels.min((chunk + 1) * CHUNK);
            vectorized!(fma => {
                for p in first..end {
                    // SAFETY: y is another value than x, and each of its
                    // pixels belongs to one task.
                    unsafe { epilogue.store(fma, &terms, x.pixel(p), n, p) };
                }
            });
        });
    }))
}
