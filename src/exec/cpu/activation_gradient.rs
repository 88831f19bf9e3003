//! The gradient of a pointwise function; the twin of
//! `shaders/activation_gradient.wgsl`.

use super::kernel::{Kernel, Loading};
use super::memory::View;
use super::mish::mish_gradient;
use super::number::{Number, with_numbers};
use super::simd::{Fma, vectorized};
use crate::exec::ExecError;
use crate::ops::{Activation, ActivationGradient};
use rayon::prelude::*;

/// Pixels of one task.
const CHUNK: usize = 1024;

pub(super) fn load(loading: &Loading, op: &ActivationGradient) -> Result<Kernel, ExecError> {
    let precisions = loading.precisions(ActivationGradient::X);
    with_numbers!(precisions, X, Y => load_as::<X, Y>(loading, op))
}

fn load_as<X: Number, Y: Number>(
    loading: &Loading,
    op: &ActivationGradient,
) -> Result<Kernel, ExecError> {
    let x: View<X> = loading.input(ActivationGradient::X)?;
    let dy: View<X> = loading.input(ActivationGradient::DY)?;
    let dx: View<Y> = loading.output(0)?;
    let scale = op.scale;
    Ok(match op.activation {
        Activation::None => kernel(x, dy, dx, move |_, _| scale),
        Activation::LeakyRelu { slope } => {
            kernel(
                x,
                dy,
                dx,
                move |_, x| if x > 0.0 { scale } else { scale * slope },
            )
        }
        Activation::Mish => kernel(x, dy, dx, move |fma, x| scale * mish_gradient(fma, x)),
    })
}

/// `dx = slope(x) * dy`.
fn kernel<X: Number, Y: Number>(
    x: View<X>,
    dy: View<X>,
    dx: View<Y>,
    slope: impl Fn(Fma, f32) -> f32 + Send + Sync + 'static,
) -> Kernel {
    Box::new(move |_| {
        let pixels = x.shape.n * x.shape.pixels();
        let chunks = (0..pixels.div_ceil(CHUNK)).into_par_iter();
        chunks.for_each(|chunk| {
            vectorized!(fma => {
                for p in chunk * CHUNK..pixels.min((chunk + 1) * CHUNK) {
                    // SAFETY: dx is another value, and each of its pixels
                    // belongs to one task.
                    let (x, dy, dx) = unsafe { (x.pixel(p), dy.pixel(p), dx.pixel_mut(p)) };
                    for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
                        *dx = Y::from_f32(slope(fma, x.to_f32()) * dy.to_f32());
                    }
                }
            });
        });
    })
}
