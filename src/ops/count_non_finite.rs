//! Whether a result is made of numbers.

use super::{Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// `y[n, 0, i, 0]` is how many elements of row `i` of sample `n` of x are NaN
/// or infinite, in all channels.
///
/// Operand: x `[n, c, h, w]`. Result: y `[n, 1, h, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountNonFinite {}

impl Rules for CountNonFinite {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        Ok(vec![Shape::new(inputs[0].n, 1, inputs[0].h, 1)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        inputs[0].elements() as u64
    }
}
