//! Convolutions, their weights' gradients, and what stands before and after a
//! convolution that is a gradient.

use super::{Tensor, epilogue};
use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{Conv2d, Conv2dWeightGradient, Dilate, FoldBorder, Padding};

pub fn conv2d(op: &Conv2d, inputs: &[&Tensor], record: &StepRecord) -> Tensor {
    let (x, w) = (inputs[Conv2d::X], inputs[Conv2d::WEIGHT]);
    let (padding, more) = match op.padding {
        Padding::Full => (2, 2),
        _ => ((op.kernel as isize - 1) / 2, 0),
    };
    let outputs = if op.backward { w.shape.c } else { w.shape.n };
    let shape = Shape::new(
        x.shape.n,
        outputs,
        x.shape.h.div_ceil(op.stride) + more,
        x.shape.w.div_ceil(op.stride) + more,
    );
    let weight = |o: usize, c: usize, u: usize, v: usize| match op.backward {
        true => w.at(c, o, op.kernel - 1 - u, op.kernel - 1 - v),
        false => w.at(o, c, u, v),
    };
    let y = Tensor::of(shape, |n, o, i, j| {
        let mut sum = if op.bias {
            inputs[Conv2d::BIAS].at(0, o, 0, 0)
        } else {
            0.0
        };
        for u in 0..op.kernel {
            for v in 0..op.kernel {
                let row = (op.stride * i + u) as isize - padding;
                let column = (op.stride * j + v) as isize - padding;
                let (Some(row), Some(column)) = (
                    inside(row, x.shape.h, op.padding),
                    inside(column, x.shape.w, op.padding),
                ) else {
                    continue;
                };
                for c in 0..x.shape.c {
                    sum += weight(o, c, u, v) * x.at(n, c, row, column);
                }
            }
        }
        sum
    });
    epilogue(&op.epilogue, &y, &inputs[op.operands()..], record)
}

/// The pixel that coordinate `i` of an axis of `n` shows; none for a zero.
fn inside(i: isize, n: usize, padding: Padding) -> Option<usize> {
    let n = n as isize;
    let i = match padding {
        Padding::Zero | Padding::Full => i,
        Padding::Reflect if i < 0 => -i,
        Padding::Reflect if i >= n => 2 * n - 2 - i,
        Padding::Reflect => i,
    };
    (0..n).contains(&i).then_some(i as usize)
}

pub fn weight_gradient(op: &Conv2dWeightGradient, inputs: &[&Tensor]) -> Tensor {
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
