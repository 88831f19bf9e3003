//! Elements that are no numbers.

use super::Tensor;
use srdiff::graph::Shape;

pub fn count_non_finite(x: &Tensor) -> Tensor {
    let shape = Shape::new(x.shape.n, 1, x.shape.h, 1);
    Tensor::of(shape, |n, _, i, _| {
        let row = (0..x.shape.c).flat_map(|c| (0..x.shape.w).map(move |j| x.at(n, c, i, j)));
        row.filter(|v| v.is_nan() || v.is_infinite()).count() as f64
    })
}
