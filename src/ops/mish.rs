//! Mish on its own, `torch.nn.Mish`; most uses are fused in an epilogue.

use super::{Rules, expect_operands};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `y = x * tanh(ln(1 + exp(x)))`.
///
/// Operand: x of any shape. Result: y of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mish {}

impl Rules for Mish {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        Ok(vec![inputs[0]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        8 * inputs[0].elements() as u64
    }
}
