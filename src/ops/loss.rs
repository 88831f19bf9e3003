//! How far a prediction is from what it should be.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// What differences are averaged as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Norm {
    /// `|prediction - target|`, `torch.nn.L1Loss`.
    L1,
    /// `(prediction - target)²`, `torch.nn.MSELoss`.
    L2,
}

/// `loss = mean(|d|)` or `mean(d²)` over all elements, `d = prediction - target`,
/// and its gradient with respect to the prediction, times `scale`.
///
/// Operands: prediction, target, both `[n, c, h, w]`; scale `[1, 1, 1, 1]`: 1,
/// or what keeps gradients within the range of f16. Results: the gradient of
/// the prediction's shape, and loss `[1, 1, 1, 1]`, not scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    pub norm: Norm,
}

impl Loss {
    pub const PREDICTION: usize = 0;
    pub const TARGET: usize = 1;
    pub const SCALE: usize = 2;
    pub const GRADIENT: usize = 0;
    pub const LOSS: usize = 1;
}

impl Rules for Loss {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 3, "prediction, target, scale")?;
        let prediction = inputs[Self::PREDICTION];
        let scalar = Shape::vector(1);
        expect_shape("the target", inputs[Self::TARGET], prediction)?;
        expect_shape("the scale", inputs[Self::SCALE], scalar)?;
        Ok(vec![prediction, scalar])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        4 * inputs[Self::PREDICTION].elements() as u64
    }
}
