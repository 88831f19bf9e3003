//! Fully connected layers.

use super::Tensor;
use srdiff::graph::Shape;

pub fn linear(inputs: &[&Tensor]) -> Tensor {
    let (x, w, bias) = (inputs[0], inputs[1], inputs[2]);
    Tensor::of(Shape::matrix(x.shape.n, w.shape.n), |row, o, _, _| {
        let products = (0..x.shape.c).map(|c| w.at(o, c, 0, 0) * x.at(row, c, 0, 0));
        bias.at(0, o, 0, 0) + products.sum::<f64>()
    })
}
