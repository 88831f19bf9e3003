//! A value in another layout or precision.

use super::{Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// `y = x`, where x and y are stored in different formats. Choosing kernels
/// inserts it where a kernel wants another format than the value has.
///
/// Operand: x of any shape. Result: y of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Convert {}

impl Rules for Convert {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        Ok(vec![inputs[0]])
    }
}
