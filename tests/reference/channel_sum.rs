//! Sums over pixels.

use super::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::ChannelSum;

pub fn channel_sum(op: &ChannelSum, x: &Tensor) -> Tensor {
    let s = x.shape;
    let sum = |n: usize, c: usize| -> f64 {
        let pixels = (0..s.h).flat_map(|i| (0..s.w).map(move |j| (i, j)));
        pixels.map(|(i, j)| x.at(n, c, i, j)).sum()
    };
    match op.per_sample {
        true => Tensor::of(Shape::matrix(s.n, s.c), |n, c, _, _| sum(n, c)),
        false => Tensor::of(Shape::vector(s.c), |_, c, _, _| {
            (0..s.n).map(|n| sum(n, c)).sum()
        }),
    }
}
