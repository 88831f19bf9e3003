//! Enlargement.

use super::Tensor;
use srdiff::graph::Shape;

fn enlarged(x: &Tensor, factor: usize) -> Shape {
    let s = x.shape;
    Shape::new(s.n, s.c, s.h * factor, s.w * factor)
}

pub fn nearest(x: &Tensor, factor: usize) -> Tensor {
    Tensor::of(enlarged(x, factor), |n, c, i, j| {
        x.at(n, c, i / factor, j / factor)
    })
}

pub fn nearest_gradient(dy: &Tensor, factor: usize) -> Tensor {
    let s = dy.shape;
    let shape = Shape::new(s.n, s.c, s.h / factor, s.w / factor);
    Tensor::of(shape, |n, c, i, j| {
        let copies = (0..factor).flat_map(|u| (0..factor).map(move |v| (u, v)));
        copies
            .map(|(u, v)| dy.at(n, c, i * factor + u, j * factor + v))
            .sum()
    })
}

/// MATLAB's `imresize(x, factor, 'bicubic')`: pixel centres at half-integers,
/// every input pixel closer than 2 weighed by its distance, and the border
/// mirrored with the edge pixel repeated.
pub fn bicubic(x: &Tensor, factor: usize) -> Tensor {
    Tensor::of(enlarged(x, factor), |n, c, i, j| {
        let mut sum = 0.0;
        for (row, by_row) in weights(i, factor, x.shape.h) {
            for (column, by_column) in weights(j, factor, x.shape.w) {
                sum += by_row * by_column * x.at(n, c, row, column);
            }
        }
        sum
    })
}

/// Input pixels that output pixel `i` sees, and their weights.
fn weights(i: usize, factor: usize, size: usize) -> Vec<(usize, f64)> {
    let centre = (i as f64 + 0.5) / factor as f64 - 0.5;
    let nearest = centre.round() as isize;
    (nearest - 3..=nearest + 3)
        .map(|k| (mirrored(k, size), cubic(centre - k as f64)))
        .collect()
}

fn mirrored(mut i: isize, size: usize) -> usize {
    let size = size as isize;
    while !(0..size).contains(&i) {
        i = if i < 0 { -1 - i } else { 2 * size - 1 - i };
    }
    i as usize
}

/// Keys 1981, a = -1/2, as its piecewise polynomials.
fn cubic(distance: f64) -> f64 {
    let a = -0.5;
    let d = distance.abs();
    if d <= 1.0 {
        (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0
    } else if d < 2.0 {
        a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a
    } else {
        0.0
    }
}
