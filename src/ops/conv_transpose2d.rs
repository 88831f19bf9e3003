//! Transposed convolution that enlarges, `torch.nn.ConvTranspose2d`.

use super::{Rules, Shape, enlarged, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// Enlarges by `stride` with a kernel of `2 * stride` and padding `stride / 2`
/// (kernel 4, stride 2, padding 1 in the U-Net; kernel 2s, stride s for the
/// conditioning). Every output pixel sees 2 x 2 input pixels:
///
/// `y[n, o, i, j] = bias[o] + sum_{c, a, b} x[n, c, a, b] * w[c, o, i + p - s*a, j + p - s*b]`
/// over the `a`, `b` for which the kernel index is in `0..2s`.
///
/// Operands: x `[n, c, h, w]`, weight `[c, o, 2s, 2s]`, bias `[1, o, 1, 1]`.
/// Result: y `[n, o, s*h, s*w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose2d {
    /// Enlargement `s`: even, at least 2.
    pub stride: usize,
}

impl ConvTranspose2d {
    pub const X: usize = 0;
    pub const WEIGHT: usize = 1;
    pub const BIAS: usize = 2;
}

impl Rules for ConvTranspose2d {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let s = self.stride;
        let is_supported = s >= 2 && s.is_multiple_of(2);
        ensure!(
            is_supported,
            "stride {s} is not supported (even, at least 2)"
        );
        expect_operands(inputs, 3, "x, weight, bias")?;
        let (x, weight) = (inputs[Self::X], inputs[Self::WEIGHT]);
        let side = s.saturating_mul(2);
        let expected = Shape::new(x.c, weight.c, side, side);
        expect_shape("the weight", weight, expected)?;
        expect_shape("the bias", inputs[Self::BIAS], Shape::vector(weight.c))?;
        Ok(vec![enlarged(x, weight.c, s)?])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        (2 * 4 * inputs[Self::X].c * outputs[0].elements()) as u64
    }
}
