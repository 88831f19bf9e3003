//! Linear attention.

use super::Tensor;
use srdiff::ops::LinearAttention;

pub fn linear_attention(op: &LinearAttention, qkv: &Tensor) -> Tensor {
    let (heads, d) = (op.heads, op.head_channels);
    let inner = heads * d;
    let s = qkv.shape;
    let pixels: Vec<(usize, usize)> = (0..s.h)
        .flat_map(|i| (0..s.w).map(move |j| (i, j)))
        .collect();
    let channel = |n: usize, c: usize| -> Vec<f64> {
        pixels.iter().map(|&(i, j)| qkv.at(n, c, i, j)).collect()
    };
    // context[n][head][row][column]
    let mut contexts = vec![0.0; s.n * heads * d * d];
    for n in 0..s.n {
        for head in 0..heads {
            for row in 0..d {
                let weights = softmax(&channel(n, inner + head * d + row));
                for column in 0..d {
                    let values = channel(n, 2 * inner + head * d + column);
                    let at = ((n * heads + head) * d + row) * d + column;
                    contexts[at] = weights.iter().zip(values).map(|(w, v)| w * v).sum();
                }
            }
        }
    }
    Tensor::of(s.with_channels(inner), |n, c, i, j| {
        let (head, column) = (c / d, c % d);
        (0..d)
            .map(|row| {
                contexts[((n * heads + head) * d + row) * d + column]
                    * qkv.at(n, head * d + row, i, j)
            })
            .sum()
    })
}

fn softmax(v: &[f64]) -> Vec<f64> {
    let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = v.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}
