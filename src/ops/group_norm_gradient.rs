//! The gradients of group normalisation.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// The gradients of [`GroupNorm`](super::GroupNorm) without an epilogue. With
/// `z = (x - mean) / sqrt(variance + epsilon)` and `g = dy * weight[c]`:
///
/// `dx = (g - mean(g) - z * mean(g * z)) / sqrt(variance + epsilon)`, means over
/// each sample's group; `dweight[c] = sum dy * z`, `dbias[c] = sum dy` over
/// samples and pixels.
///
/// Operands: x, dy `[n, c, h, w]`, weight `[1, c, 1, 1]`. Results: dx of x's
/// shape, dweight and dbias `[1, c, 1, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNormGradient {
    pub groups: usize,
    pub epsilon: f32,
}

impl GroupNormGradient {
    pub const X: usize = 0;
    pub const DY: usize = 1;
    pub const WEIGHT: usize = 2;
}

impl Rules for GroupNormGradient {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 3, "x, dy, weight")?;
        let x = inputs[Self::X];
        let (channels, groups) = (x.c, self.groups);
        ensure!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels do not divide into {groups} groups"
        );
        expect_shape("dy", inputs[Self::DY], x)?;
        let vector = Shape::vector(x.c);
        expect_shape("the weight", inputs[Self::WEIGHT], vector)?;
        Ok(vec![x, vector, vector])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        16 * inputs[Self::X].elements() as u64
    }
}
