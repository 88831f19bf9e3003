//! Group normalisation, `torch.nn.GroupNorm`.

use super::{Epilogue, Rules, Shape, expect_at_least, expect_shape};
use serde::{Deserialize, Serialize};

/// `y = epilogue((x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c])`,
/// mean and (biased) variance over each sample's group of `c / groups`
/// channels and all pixels.
///
/// Operands: x `[n, c, h, w]`, weight and bias `[1, c, 1, 1]`, then the
/// epilogue's. Result: y of x's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNorm {
    /// Number of groups; divides the channels.
    pub groups: usize,
    /// Added to the variance (PyTorch: 1e-5).
    pub epsilon: f32,
    pub epilogue: Epilogue,
}

impl GroupNorm {
    pub const X: usize = 0;
    pub const WEIGHT: usize = 1;
    pub const BIAS: usize = 2;
    /// Number of operands before those of the epilogue.
    pub const OPERANDS: usize = 3;
}

impl Rules for GroupNorm {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_at_least(inputs, Self::OPERANDS, "x, weight, bias")?;
        let x = inputs[Self::X];
        let (channels, groups) = (x.c, self.groups);
        ensure!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels do not divide into {groups} groups"
        );
        expect_shape("the weight", inputs[Self::WEIGHT], Shape::vector(x.c))?;
        expect_shape("the bias", inputs[Self::BIAS], Shape::vector(x.c))?;
        self.epilogue.check(&inputs[Self::OPERANDS..], x)?;
        Ok(vec![x])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        8 * inputs[Self::X].elements() as u64
    }
}
