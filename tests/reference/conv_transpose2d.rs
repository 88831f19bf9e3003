//! Transposed convolutions and their gradients.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::{ConvTranspose2d, ConvTranspose2dGradient};

/// By scattering, as PyTorch defines it: pixel (a, b) adds `x * w[.., u, v]`
/// to output pixel `(s * a + u - p, s * b + v - p)`.
pub fn conv_transpose2d(op: &ConvTranspose2d, inputs: &[&Tensor]) -> Tensor {
    let (x, w, bias) = (inputs[0], inputs[1], inputs[2]);
    let (s, p) = (op.stride, op.stride / 2);
    let shape = Shape::new(x.shape.n, w.shape.c, x.shape.h * s, x.shape.w * s);
    let mut y = Tensor::of(shape, |_, o, _, _| bias.at(0, o, 0, 0));
    for n in 0..shape.n {
        for (a, b) in (0..x.shape.h).flat_map(|a| (0..x.shape.w).map(move |b| (a, b))) {
            for (u, v) in (0..2 * s).flat_map(|u| (0..2 * s).map(move |v| (u, v))) {
                let (i, j) = ((s * a + u).wrapping_sub(p), (s * b + v).wrapping_sub(p));
                if i >= shape.h || j >= shape.w {
                    continue;
                }
                for o in 0..shape.c {
                    let at = y.index(n, o, i, j);
                    for c in 0..x.shape.c {
                        y.data[at] += x.at(n, c, a, b) * w.at(c, o, u, v);
                    }
                }
            }
        }
    }
    y
}

pub fn gradient(op: &ConvTranspose2dGradient, inputs: &[&Tensor]) -> Tensor {
    let (dy, w) = (
        inputs[ConvTranspose2dGradient::DY],
        inputs[ConvTranspose2dGradient::WEIGHT],
    );
    let (s, side) = (op.stride, dy.shape);
    let shape = Shape::new(side.n, w.shape.n, side.h / s, side.w / s);
    // The pixel of dy below element `k` of the kernel at pixel `a`.
    let below = |a: usize, k: usize, size: usize| {
        let i = (s * a + k).checked_sub(s / 2)?;
        (i < size).then_some(i)
    };
    Tensor::of(shape, |n, c, a, b| {
        let mut sum = 0.0;
        for i in 0..2 * s {
            for j in 0..2 * s {
                let row = below(a, i, side.h);
                let (Some(row), Some(column)) = (row, below(b, j, side.w)) else {
                    continue;
                };
                for o in 0..side.c {
                    sum += dy.at(n, o, row, column) * w.at(c, o, i, j);
                }
            }
        }
        sum
    })
}
