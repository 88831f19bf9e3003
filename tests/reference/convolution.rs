//! Convolutions.

use super::{Tensor, epilogue};
use srdiff::exec::StepRecord;
use srdiff::graph::Shape;
use srdiff::ops::{Conv2d, ConvTranspose2d, Padding};

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
pub fn inside(i: isize, n: usize, padding: Padding) -> Option<usize> {
    let n = n as isize;
    let i = match padding {
        Padding::Zero | Padding::Full => i,
        Padding::Reflect if i < 0 => -i,
        Padding::Reflect if i >= n => 2 * n - 2 - i,
        Padding::Reflect => i,
    };
    (0..n).contains(&i).then_some(i as usize)
}

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
