//! The gradient of padding.

use super::{Padding, Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// The gradient of padding by one pixel: every pixel of the border is added to
/// the pixel that it was a copy of. Zeros are copies of none.
///
/// Operand: x `[n, c, h + 2, w + 2]`. Result: y `[n, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldBorder {
    /// [`Padding::Zero`] or [`Padding::Reflect`].
    pub padding: Padding,
}

impl Rules for FoldBorder {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        let x = inputs[0];
        let least = match self.padding {
            Padding::Zero => 3,
            Padding::Reflect => 4,
            Padding::Full => return Err("a full border is not folded".to_owned()),
        };
        ensure!(
            x.h.min(x.w) >= least,
            "x must have at least {least} pixels a side, but is {x}"
        );
        let (h, w) = (x.h - 2, x.w - 2);
        Ok(vec![Shape { h, w, ..x }])
    }
}
