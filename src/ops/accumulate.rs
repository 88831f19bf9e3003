//! Sums of the gradients of several batches.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// `total += x`: gradients of several batches.
///
/// Operands: total, x, of one shape. Result: total, which takes the place of
/// the operand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accumulate {}

impl Accumulate {
    pub const TOTAL: usize = 0;
    pub const X: usize = 1;
}

impl Rules for Accumulate {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 2, "total, x")?;
        expect_shape("x", inputs[Self::X], inputs[Self::TOTAL])?;
        Ok(vec![inputs[Self::TOTAL]])
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, Self::TOTAL)]
    }
}
