//! Gradients of convolutions, and what stands between them.

use super::Tensor;
use super::convolution::inside;
use srdiff::graph::Shape;
use srdiff::ops::{Conv2dWeightGradient, ConvTranspose2dGradient, Dilate, FoldBorder, Padding};

pub fn conv2d_weight(op: &Conv2dWeightGradient, inputs: &[&Tensor]) -> Tensor {
    let (x, dy) = (
        inputs[Conv2dWeightGradient::X],
        inputs[Conv2dWeightGradient::DY],
    );
    let (k, s) = (op.kernel, op.stride);
    let padding = match k {
        1 => 0,
        3 => 1,
        _ => s as isize / 2,
    };
    let shape = Shape::new(dy.shape.c, x.shape.c, k, k);
    Tensor::of(shape, |o, c, u, v| {
        let mut sum = 0.0;
        for i in 0..dy.shape.h {
            for j in 0..dy.shape.w {
                let row = inside((s * i + u) as isize - padding, x.shape.h, op.padding);
                let column = inside((s * j + v) as isize - padding, x.shape.w, op.padding);
                let (Some(row), Some(column)) = (row, column) else {
                    continue;
                };
                for n in 0..x.shape.n {
                    sum += dy.at(n, o, i, j) * x.at(n, c, row, column);
                }
            }
        }
        sum
    })
}

pub fn conv_transpose2d(op: &ConvTranspose2dGradient, inputs: &[&Tensor]) -> Tensor {
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

pub fn dilate(op: &Dilate, x: &Tensor) -> Tensor {
    let (s, shape) = (op.stride, x.shape);
    let shape = Shape::new(shape.n, shape.c, op.height, op.width);
    let mut y = Tensor::zeros(shape);
    for n in 0..x.shape.n {
        for c in 0..x.shape.c {
            for (i, j) in (0..x.shape.h).flat_map(|i| (0..x.shape.w).map(move |j| (i, j))) {
                let at = y.index(n, c, s * i, s * j);
                y.data[at] = x.at(n, c, i, j);
            }
        }
    }
    y
}

/// Adds every pixel of the padded image to the one that padding copied there.
pub fn fold_border(op: &FoldBorder, x: &Tensor) -> Tensor {
    let (h, w) = (x.shape.h - 2, x.shape.w - 2);
    let mut y = Tensor::zeros(Shape::new(x.shape.n, x.shape.c, h, w));
    let copied = |i: usize, size: usize| match (op.padding, i) {
        (Padding::Reflect, 0) => Some(1),
        (Padding::Reflect, i) if i == size + 1 => Some(size - 2),
        (_, i) => i.checked_sub(1).filter(|&i| i < size),
    };
    for n in 0..x.shape.n {
        for c in 0..x.shape.c {
            for (i, j) in (0..h + 2).flat_map(|i| (0..w + 2).map(move |j| (i, j))) {
                if let (Some(row), Some(column)) = (copied(i, h), copied(j, w)) {
                    let at = y.index(n, c, row, column);
                    y.data[at] += x.at(n, c, i, j);
                }
            }
        }
    }
    y
}
