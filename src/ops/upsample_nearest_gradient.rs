//! The gradient of enlargement by repetition.

use super::{Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// `dx[n, c, i, j]` is the sum of the `f x f` pixels of dy that
/// [`UpsampleNearest`](super::UpsampleNearest) made of one.
///
/// Operand: dy `[n, c, f*h, f*w]`. Result: dx `[n, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpsampleNearestGradient {
    pub factor: usize,
}

impl Rules for UpsampleNearestGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "dy")?;
        let (dy, factor) = (inputs[0], self.factor);
        ensure!(
            factor > 0 && dy.h.is_multiple_of(factor) && dy.w.is_multiple_of(factor),
            "{dy} is not the {factor}-fold of an image"
        );
        let (h, w) = (dy.h / factor, dy.w / factor);
        Ok(vec![Shape { h, w, ..dy }])
    }
}
