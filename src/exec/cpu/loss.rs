//! Losses; the twin of `shaders/loss.wgsl`.

use super::choose::maps;
use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::simd::vectorized;
use crate::exec::{ExecError, choice};
use crate::graph::Shape;
use crate::ops::{Loss, Norm};
use crate::plan::{Choice, NodeOperands, Precision};
use rayon::prelude::*;

/// Pixels of one task. The sum is always split here, whatever the number of
/// threads, so that it always rounds alike.
const CHUNK: usize = 512;

pub(super) fn choose(node: &NodeOperands) -> Choice {
    let shape = node.inputs[Loss::PREDICTION].shape();
    Choice {
        scratch: choice::scratch("partial_sums", 2 * chunks(shape)),
        ..maps(node, Precision::F32)
    }
}

fn chunks(shape: Shape) -> usize {
    (shape.n * shape.pixels()).div_ceil(CHUNK)
}

pub(super) fn load(loading: &Loading, op: &Loss) -> Result<Kernel, ExecError> {
    let prediction: View = loading.input(Loss::PREDICTION)?;
    let target: View = loading.input(Loss::TARGET)?;
    let scale: View = loading.input(Loss::SCALE)?;
    let gradient: View = loading.output(Loss::GRADIENT)?;
    let loss: View = loading.output(Loss::LOSS)?;
    let shape = prediction.shape;
    let partial = loading.scratch([1, 2 * chunks(shape)])?;
    let norm = op.norm;
    Ok(Box::new(move |_| {
        let pixels = shape.n * shape.pixels();
        let count = shape.elements() as f64;
        // SAFETY: nothing writes it meanwhile.
        let scale = f64::from(unsafe { scale.pixel(0)[0] });
        // The gradient of |d| is this times the sign of d, that of d² this times d.
        let factor = match norm {
            Norm::L1 => scale / count,
            Norm::L2 => 2.0 * scale / count,
        } as f32;
        // SAFETY: scratch of this node alone.
        let sums: &mut [f64] = bytemuck::cast_slice_mut(unsafe { partial.pixel_mut(0) });
        sums.par_iter_mut().enumerate().for_each(|(chunk, sum)| {
            *sum = 0.0;
            vectorized!({
                for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                    // SAFETY: each pixel of the gradient, another value than
                    // the operands, belongs to one task.
                    let (a, b, gradient) =
                        unsafe { (prediction.pixel(p), target.pixel(p), gradient.pixel_mut(p)) };
                    for ((gradient, a), b) in gradient.iter_mut().zip(a).zip(b) {
                        let d = a - b;
                        let (term, slope) = match norm {
                            Norm::L1 if d == 0.0 => (0.0, 0.0),
                            Norm::L1 => (d.abs(), f32::copysign(1.0, d)),
                            Norm::L2 => (d * d, d),
                        };
                        *sum += f64::from(term);
                        // NaN stays NaN, whose sign is none.
                        *gradient = factor * if d.is_nan() { d } else { slope };
                    }
                }
            });
        });
        // SAFETY: another value than the operands, written here alone.
        unsafe { loss.pixel_mut(0)[0] = (sums.iter().sum::<f64>() / count) as f32 };
    }))
}
