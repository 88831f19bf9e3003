//! Linear attention.

use super::Tensor;
use srdiff::ops::{LinearAttention, LinearAttentionGradient};

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

pub fn gradient(op: &LinearAttentionGradient, inputs: &[&Tensor]) -> Tensor {
    let (qkv, dy) = (
        inputs[LinearAttentionGradient::QKV],
        inputs[LinearAttentionGradient::DY],
    );
    let (heads, d) = (op.heads, op.head_channels);
    let inner = heads * d;
    let (shape, pixels) = (qkv.shape, qkv.shape.pixels());
    let mut gradient = Tensor::zeros(shape);
    let channel = |of: &Tensor, n: usize, c: usize| -> Vec<f64> {
        let start = (n * of.shape.c + c) * pixels;
        of.data[start..start + pixels].to_vec()
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    for n in 0..shape.n {
        for head in 0..heads {
            // Rows over pixels, one for each channel of the head.
            let rows = |of: &Tensor, first: usize| -> Vec<Vec<f64>> {
                (0..d)
                    .map(|c| channel(of, n, first + head * d + c))
                    .collect()
            };
            let (q, k, v) = (rows(qkv, 0), rows(qkv, inner), rows(qkv, 2 * inner));
            let dy = rows(dy, 0);
            let s: Vec<Vec<f64>> = k.iter().map(|k| softmax(k)).collect();
            let matrix = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
                let row = |a: &Vec<f64>| b.iter().map(|b| dot(a, b)).collect();
                a.iter().map(row).collect()
            };
            let (context, dcontext) = (matrix(&s, &v), matrix(&q, &dy));
            let mut set = |first: usize, c: usize, row: Vec<f64>| {
                let start = (n * shape.c + first + head * d + c) * pixels;
                gradient.data[start..start + pixels].copy_from_slice(&row);
            };
            for c in 0..d {
                // A sum over the channels `e` of rows over pixels.
                let sum = |factor: &dyn Fn(usize) -> f64, rows: &[Vec<f64>]| -> Vec<f64> {
                    (0..pixels)
                        .map(|p| (0..d).map(|e| factor(e) * rows[e][p]).sum())
                        .collect()
                };
                set(0, c, sum(&|e| context[c][e], &dy));
                set(2 * inner, c, sum(&|e| dcontext[e][c], &s));
                let ds = sum(&|e| dcontext[c][e], &v);
                let mean = dot(&s[c], &ds);
                let dk = s[c].iter().zip(&ds).map(|(s, ds)| s * (ds - mean));
                set(inner, c, dk.collect());
            }
        }
    }
    gradient
}

fn softmax(v: &[f64]) -> Vec<f64> {
    let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = v.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}
