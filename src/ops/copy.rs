//! A value written to a second place, for the rare one that two
//! concatenations hold.

use super::{Rules, expect_operands};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `y = x`.
///
/// Operand: x of any shape. Result: y of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copy {}

impl Rules for Copy {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        Ok(vec![inputs[0]])
    }

    fn flops(&self, _inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        0
    }
}
