//! Enlargement by a whole factor, pixels repeated.

use super::{Rules, Shape, enlarged_operand};
use serde::{Deserialize, Serialize};

/// Every pixel repeated, `torch.nn.functional.interpolate(mode='nearest')`.
///
/// Operand: x `[n, c, h, w]`. Result: y `[n, c, f*h, f*w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpsampleNearest {
    pub factor: usize,
}

impl Rules for UpsampleNearest {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        enlarged_operand(inputs, self.factor)
    }
}
