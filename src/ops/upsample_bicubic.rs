//! Enlargement by a whole factor, bicubic.

use super::{Rules, Shape, enlarged_operand};
use serde::{Deserialize, Serialize};

/// Bicubic enlargement, MATLAB's `imresize` convention (Keys kernel a = -0.5,
/// half-pixel centres, symmetric border).
///
/// Operand: x `[n, c, h, w]`. Result: y `[n, c, f*h, f*w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpsampleBicubic {
    pub factor: usize,
}

impl Rules for UpsampleBicubic {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        enlarged_operand(inputs, self.factor)
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        2 * 20 * outputs[0].elements() as u64
    }
}

/// The cubic kernel of Keys 1981 with a = -1/2, MATLAB's `bicubic`; zero
/// beyond 2.
pub fn keys_cubic(x: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// The four taps of each phase of a bicubic enlargement: for output
/// coordinate `i`, the weights of `taps[i % factor]` belong to the four input
/// coordinates from `i / factor + first` on, `first` being -2 or -1.
///
/// Worked out in f64; the weights of a phase add up to 1.
pub fn bicubic_taps(factor: usize) -> Vec<([f32; 4], isize)> {
    (0..factor)
        .map(|phase| {
            let centre = (phase as f64 + 0.5) / factor as f64 - 0.5;
            let first = centre.floor() - 1.0;
            let taps = [0.0, 1.0, 2.0, 3.0].map(|k| keys_cubic(centre - first - k) as f32);
            (taps, first as isize)
        })
        .collect()
}

/// Mirrors coordinate `i` into an axis of `n` samples with the edge sample
/// repeated (-1 becomes 0, -2 becomes 1), with period `2 n`: MATLAB's border.
///
/// # Panics
/// When `n` is zero.
pub fn symmetric(i: isize, n: usize) -> usize {
    let folded = i.rem_euclid(2 * n as isize) as usize;
    folded.min(2 * n - 1 - folded)
}
