//! Enlargement by a whole factor.

use super::{Rules, expect_operands};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// Every pixel repeated, `torch.nn.functional.interpolate(mode='nearest')`.
///
/// Operand: x `[n, c, h, w]`. Result: y `[n, c, f*h, f*w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpsampleNearest {
    /// Enlargement `f`.
    pub factor: usize,
}

/// Bicubic enlargement, MATLAB's `imresize` convention (Keys kernel a = -0.5,
/// half-pixel centres, symmetric border).
///
/// Operand: x `[n, c, h, w]`. Result: y `[n, c, f*h, f*w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpsampleBicubic {
    /// Enlargement `f`.
    pub factor: usize,
}

fn enlarge(inputs: &[Shape], factor: usize) -> Result<Vec<Shape>, String> {
    expect_operands(inputs, 1, "x")?;
    if factor == 0 {
        return Err("the factor must be at least 1".to_owned());
    }
    let x = inputs[0];
    Ok(vec![Shape::new(x.n, x.c, x.h * factor, x.w * factor)])
}

impl Rules for UpsampleNearest {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        enlarge(inputs, self.factor)
    }

    fn flops(&self, _inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        0
    }
}

impl Rules for UpsampleBicubic {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        enlarge(inputs, self.factor)
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        2 * 20 * outputs[0].elements() as u64
    }
}

/// placeholder until the image module lands
pub fn bicubic_taps(factor: usize) -> Vec<([f32; 4], isize)> {
    let _ = factor;
    todo!()
}
