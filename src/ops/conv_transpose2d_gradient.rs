//! The gradient of a transposed convolution with respect to its operand.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// `dx[n, c, a, b] = sum_{o, i, j} dy[n, o, s*a + i - p, s*b + j - p] * w[c, o, i, j]`
/// with kernel `2s x 2s`, padding `p = s / 2` and zeros beyond the border: the
/// gradient of [`ConvTranspose2d`](super::ConvTranspose2d).
///
/// Operands: dy `[n, o, s*h, s*w]`, weight `[c, o, 2s, 2s]`. Result: dx
/// `[n, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose2dGradient {
    /// `s`: even, at least 2.
    pub stride: usize,
}

impl ConvTranspose2dGradient {
    pub const DY: usize = 0;
    pub const WEIGHT: usize = 1;
}

impl Rules for ConvTranspose2dGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let s = self.stride;
        ensure!(
            s >= 2 && s.is_multiple_of(2),
            "stride {s} is not supported (even, at least 2)"
        );
        expect_operands(inputs, 2, "dy, weight")?;
        let (dy, weight) = (inputs[Self::DY], inputs[Self::WEIGHT]);
        let side = s.saturating_mul(2);
        let expected = Shape::new(weight.n, dy.c, side, side);
        expect_shape("the weight", weight, expected)?;
        ensure!(
            dy.h.is_multiple_of(s) && dy.w.is_multiple_of(s),
            "dy must have sides that are multiples of {s}, but is {dy}"
        );
        Ok(vec![Shape::new(dy.n, weight.n, dy.h / s, dy.w / s)])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        let taps = 4 * self.stride * self.stride;
        (2 * taps * inputs[Self::DY].c * outputs[0].elements()) as u64
    }
}
