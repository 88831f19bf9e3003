//! Parameters after a step: Adam.

use super::{Rules, Shape, expect_operands, expect_shape};
use serde::{Deserialize, Serialize};

/// One step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019),
/// and an exponential moving average of the parameter. With `k = step`:
///
/// `g = gradient * k.gradient_scale + k.l2 * parameter`,
/// `m' = beta1 m + (1 - beta1) g`, `v' = beta2 v + (1 - beta2) g²`,
/// `parameter' = parameter - k.rate (m' / k.correction1 / (sqrt(v' / k.correction2) + epsilon) + k.decay parameter)`,
/// `average' = k.average average + (1 - k.average) parameter'`.
///
/// Operands: parameter, m, v, average, gradient, of one shape; step `[1, 7, 1, 1]`,
/// an [`AdamStep`]. Results: the first four, each in the place of its operand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
}

impl Adam {
    pub const PARAMETER: usize = 0;
    pub const M: usize = 1;
    pub const V: usize = 2;
    pub const AVERAGE: usize = 3;
    pub const GRADIENT: usize = 4;
    pub const STEP: usize = 5;
}

/// What [`Adam`] is told anew at every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f32,
    /// What gradients are multiplied with: clipping, and the inverse of their scale.
    pub gradient_scale: f32,
    /// Adam's weight decay, which is added to the gradient.
    pub l2: f32,
    /// AdamW's.
    pub decay: f32,
    /// `1 - beta1^t` for step `t`, counted from 1.
    pub correction1: f32,
    /// `1 - beta2^t`.
    pub correction2: f32,
    /// Share of the old average in the new one.
    pub average: f32,
}

impl AdamStep {
    pub const SHAPE: Shape = Shape::vector(7);

    /// From the elements of the operand.
    ///
    /// # Panics
    /// When there are fewer than 7.
    pub fn of(elements: &[f32]) -> Self {
        Self {
            rate: elements[0],
            gradient_scale: elements[1],
            l2: elements[2],
            decay: elements[3],
            correction1: elements[4],
            correction2: elements[5],
            average: elements[6],
        }
    }

    /// The elements of the operand.
    pub fn elements(&self) -> [f32; 7] {
        [
            self.rate,
            self.gradient_scale,
            self.l2,
            self.decay,
            self.correction1,
            self.correction2,
            self.average,
        ]
    }
}

impl Rules for Adam {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_operands(inputs, 6, "parameter, m, v, average, gradient, step")?;
        let parameter = inputs[Self::PARAMETER];
        for &shape in &inputs[Self::M..=Self::GRADIENT] {
            expect_shape("every tensor", shape, parameter)?;
        }
        expect_shape("the step", inputs[Self::STEP], AdamStep::SHAPE)?;
        Ok(vec![parameter; 4])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        20 * inputs[Self::PARAMETER].elements() as u64
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[
            (0, Self::PARAMETER),
            (1, Self::M),
            (2, Self::V),
            (3, Self::AVERAGE),
        ]
    }
}
