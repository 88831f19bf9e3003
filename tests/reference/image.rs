//! Images out.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::Reconstruct;

pub fn reconstruct(op: &Reconstruct, inputs: &[&Tensor]) -> Tensor {
    let (x, up) = (inputs[0], inputs[1]);
    Tensor::of(x.shape, |n, c, i, j| {
        let x = x.at(n, c, i, j);
        let clamped = match x.is_finite() {
            true => x.clamp(-1.0, 1.0),
            false => x,
        };
        clamped / f64::from(op.res_rescale) + up.at(n, c, i, j)
    })
}

pub fn count_non_finite(x: &Tensor) -> Tensor {
    let shape = Shape::new(x.shape.n, 1, x.shape.h, 1);
    Tensor::of(shape, |n, _, i, _| {
        let row = (0..x.shape.c).flat_map(|c| (0..x.shape.w).map(move |j| x.at(n, c, i, j)));
        row.filter(|v| v.is_nan() || v.is_infinite()).count() as f64
    })
}
