//! An epilogue on its own.

use super::{Activation, Epilogue, Rules, Shape, expect_at_least};
use serde::{Deserialize, Serialize};

/// `y = epilogue(x)`: activations, sums with residuals and table rows, scaling,
/// copies. Fusion folds most of them into the operation that makes x
/// ([`crate::graph::fuse`]).
///
/// Operands: x `[n, c, h, w]`, then the epilogue's. Result: y of x's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointwise {
    pub epilogue: Epilogue,
}

impl Pointwise {
    pub const X: usize = 0;
    /// Number of operands before those of the epilogue.
    pub const OPERANDS: usize = 1;

    /// `y = x`.
    pub fn copy() -> Self {
        Self {
            epilogue: Epilogue::none(),
        }
    }

    /// `y = activation(x)`.
    pub fn activation(activation: Activation) -> Self {
        Self {
            epilogue: Epilogue::activation(activation),
        }
    }

    /// `y = scale * x + residual_scale * residual`.
    pub fn add(scale: f32, residual_scale: f32) -> Self {
        Self {
            epilogue: Epilogue {
                scale,
                residual_scales: vec![residual_scale],
                ..Epilogue::none()
            },
        }
    }

    /// `y[n, c] = x[n, c] + table[row of n, c]`.
    pub fn add_table_row() -> Self {
        Self {
            epilogue: Epilogue {
                table_add: true,
                ..Epilogue::none()
            },
        }
    }

    /// `y = scale * x + shift`.
    pub fn affine(scale: f32, shift: f32) -> Self {
        Self {
            epilogue: Epilogue {
                scale,
                shift,
                ..Epilogue::none()
            },
        }
    }
}

impl Rules for Pointwise {
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        expect_at_least(inputs, Self::OPERANDS, "x")?;
        self.epilogue
            .check(&inputs[Self::OPERANDS..], inputs[Self::X])?;
        Ok(vec![inputs[Self::X]])
    }

    fn flops(&self, inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        let each = match self.epilogue.activation {
            Activation::None | Activation::LeakyRelu { .. } => 2,
            Activation::Mish => 8,
        };
        each * inputs[Self::X].elements() as u64
    }
}
