//! Zeros between the pixels of an image.

use super::{Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// `y[n, c, s*i, s*j] = x[n, c, i, j]`, zero elsewhere: what makes of the
/// gradient of a convolution with stride `s` that of one with stride 1.
///
/// Operand: x `[n, c, ceil(h / s), ceil(w / s)]`. Result: y `[n, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dilate {
    /// `s`, at least 1.
    pub stride: usize,
    pub height: usize,
    pub width: usize,
}

impl Rules for Dilate {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        let (x, stride) = (inputs[0], self.stride);
        ensure!(stride > 0, "the stride must be at least 1");
        let [h, w] = [self.height, self.width];
        ensure!(
            (x.h, x.w) == (h.div_ceil(stride), w.div_ceil(stride)),
            "{x} with stride {stride} does not fill {h}x{w}"
        );
        Ok(vec![Shape { h, w, ..x }])
    }
}
