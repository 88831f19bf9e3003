//! Pixels of four bytes to and from real numbers.

use super::{Rules, expect_operands};
use crate::graph::Shape;
use serde::{Deserialize, Serialize};

/// `y[n, c, i, j] = byte_c * scale + shift`, c = R, G, B.
///
/// Operand: pixels `[n, 1, h, w]`. Result: y `[n, 3, h, w]`.
/// `scale = 1 / 127.5, shift = -1` maps 0..255 to [-1, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageUnpack {
    /// Factor of the byte.
    pub scale: f32,
    /// Added.
    pub shift: f32,
}

impl Rules for ImageUnpack {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "pixels")?;
        if inputs[0].c != 1 {
            return Err(format!(
                "pixels must have one channel, but are {}",
                inputs[0]
            ));
        }
        Ok(vec![inputs[0].with_channels(3)])
    }

    fn flops(&self, _inputs: &[Shape], outputs: &[Shape]) -> u64 {
        2 * outputs[0].elements() as u64
    }
}

/// `byte_c = round(clamp((x[n, c, i, j] + 1) * 127.5, 0, 255))`, halves up;
/// the fourth byte is 255, or 0 where an x is NaN or infinite, which the
/// others cannot show.
///
/// Operand: x `[n, 3, h, w]` in [-1, 1]. Result: pixels `[n, 1, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImagePack {}

impl Rules for ImagePack {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 1, "x")?;
        if inputs[0].c != 3 {
            return Err(format!("x must have 3 channels, but is {}", inputs[0]));
        }
        Ok(vec![inputs[0].with_channels(1)])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        4 * inputs[0].elements() as u64
    }
}
