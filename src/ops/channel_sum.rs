//! Sums over pixels: gradients of what is added to every pixel of a channel.

use super::{Rules, Shape, expect_operands};
use serde::{Deserialize, Serialize};

/// `y[0, c] = sum_{n, i, j} x[n, c, i, j]`, the gradient of a bias; or, for each
/// sample, `y[n, c] = sum_{i, j} x[n, c, i, j]`, that of a table's rows.
///
/// Operand: x `[n, c, h, w]`. Result: y `[1, c, 1, 1]` or `[n, c, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelSum {
    pub per_sample: bool,
}

impl Rules for ChannelSum {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        let rows = if self.per_sample { inputs[0].n } else { 1 };
        Ok(vec![Shape::matrix(rows, inputs[0].c)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        inputs[0].elements() as u64
    }
}
