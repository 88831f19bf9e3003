//! Fully connected layer, `torch.nn.Linear`.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// `y[r, o] = bias[o] + sum_c w[o, c] * x[r, c]`.
///
/// Operands: x `[rows, c, 1, 1]`, weight `[o, c, 1, 1]`, bias `[1, o, 1, 1]`.
/// Result: y `[rows, o, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {}

impl Linear {
    pub const X: usize = 0;
    pub const WEIGHT: usize = 1;
    pub const BIAS: usize = 2;
}

impl Rules for Linear {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 3, "x, weight, bias")?;
        let (x, weight) = (inputs[Self::X], inputs[Self::WEIGHT]);
        expect_shape("x", x, Shape::matrix(x.n, x.c))?;
        expect_shape("the weight", weight, Shape::matrix(weight.n, x.c))?;
        expect_shape("the bias", inputs[Self::BIAS], Shape::vector(weight.n))?;
        Ok(vec![Shape::matrix(x.n, weight.n)])
    }

    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        (2 * outputs[0].elements() * inputs[Self::X].c) as u64
    }
}
