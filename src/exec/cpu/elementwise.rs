//! Two values to one, element by element; the twins of
//! `shaders/estimate_x0.wgsl` and `shaders/reconstruct.wgsl`.

use super::kernel::{Kernel, Loading};
use crate::exec::{ExecError, StepRecord};
use crate::ops::{EstimateX0, Reconstruct};
use rayon::prelude::*;

pub(super) fn load_estimate_x0(loading: &Loading) -> Result<Kernel, ExecError> {
    let operands = [EstimateX0::X, EstimateX0::EPS];
    load(loading, operands, |record, x, eps| {
        let estimate = record.x0_from_x * x - record.x0_from_eps * eps;
        // What is no number stays, for the host to see.
        match x.is_finite() && eps.is_finite() {
            true => estimate.clamp(-record.clip, record.clip),
            false => estimate,
        }
    })
}

pub(super) fn load_reconstruct(loading: &Loading, op: &Reconstruct) -> Result<Kernel, ExecError> {
    let res_rescale = op.res_rescale;
    load(loading, [0, 1], move |_, x, up| {
        // NaN stays, for the host to see.
        let clipped = match x.is_finite() {
            true => x.clamp(-1.0, 1.0),
            false => x,
        };
        clipped / res_rescale + up
    })
}

fn load(
    loading: &Loading,
    [a, b]: [usize; 2],
    of: impl Fn(&StepRecord, f32, f32) -> f32 + Send + Sync + 'static,
) -> Result<Kernel, ExecError> {
    let (a, b, y) = (loading.input(a)?, loading.input(b)?, loading.output(0)?);
    Ok(Box::new(move |record| {
        let pixels = (0..a.shape.n * a.shape.pixels()).into_par_iter();
        pixels.with_min_len(4096).for_each(|p| {
            // SAFETY: y is another value, and each of its pixels belongs to
            // one task.
            let (a, b, y) = unsafe { (a.pixel(p), b.pixel(p), y.pixel_mut(p)) };
            for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                *y = of(record, a, b);
            }
        });
    }))
}
