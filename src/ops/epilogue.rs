//! What a kernel does to its result before storing it.

use super::{Shape, expect_shape, sampling::check_batch};
use serde::{Deserialize, Serialize};

/// Residuals that one epilogue can add at most.
pub const MAX_RESIDUALS: usize = 2;

/// A pointwise function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// `v`
    None,
    /// `max(v, slope * v)`, `torch.nn.LeakyReLU(slope)`, slope in 0..1.
    LeakyRelu { slope: f32 },
    /// `v * tanh(ln(1 + exp(v)))`, `torch.nn.Mish`.
    Mish,
}

/// What an operation does to its result `v` before it stores it:
///
/// `y = scale * activation(v) + shift + table[row, c] + sum_i residual_scale_i * residual_i`
///
/// Its operands follow those of the operation: first, if `table_add`, a table
/// `[rows, channels]` (the time embedding of every timestep), of which the
/// running step chooses a row for each element of the batch; then the
/// residuals, of the result's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epilogue {
    pub activation: Activation,
    pub scale: f32,
    /// Constant added to every channel.
    pub shift: f32,
    pub table_add: bool,
    /// Factor of each residual; at most [`MAX_RESIDUALS`].
    pub residual_scales: Vec<f32>,
}

impl Epilogue {
    pub fn none() -> Self {
        Self::activation(Activation::None)
    }

    pub fn activation(activation: Activation) -> Self {
        Self {
            activation,
            scale: 1.0,
            shift: 0.0,
            table_add: false,
            residual_scales: Vec::new(),
        }
    }

    pub fn is_identity(&self) -> bool {
        *self == Self::none()
    }

    /// One epilogue that does what this and then `next` do, if there is one.
    /// Its operands are this one's table, or `next`'s; this one's residuals;
    /// `next`'s residuals.
    pub fn then(&self, next: &Self) -> Option<Self> {
        if self.is_identity() {
            return Some(next.clone());
        }
        let count = self.residual_scales.len() + next.residual_scales.len();
        // A table's row is added as it is, so it cannot be scaled afterwards.
        let tables_fit = !self.table_add || (!next.table_add && next.scale == 1.0);
        if next.activation != Activation::None || count > MAX_RESIDUALS || !tables_fit {
            return None;
        }
        let scaled = self.residual_scales.iter().map(|scale| scale * next.scale);
        Some(Self {
            activation: self.activation,
            scale: self.scale * next.scale,
            shift: self.shift * next.scale + next.shift,
            table_add: self.table_add || next.table_add,
            residual_scales: scaled.chain(next.residual_scales.iter().copied()).collect(),
        })
    }

    pub fn operands(&self) -> usize {
        usize::from(self.table_add) + self.residual_scales.len()
    }

    /// Checks the operands against the shape of the result.
    pub(super) fn check(&self, inputs: &[Shape], result: Shape) -> Result<(), String> {
        let residuals = self.residual_scales.len();
        ensure!(
            residuals <= MAX_RESIDUALS,
            "an epilogue adds at most {MAX_RESIDUALS} residuals, not {residuals}"
        );
        let (operands, given) = (self.operands(), inputs.len());
        ensure!(
            operands == given,
            "the epilogue takes {operands} operands, but was given {given}"
        );
        let (tables, residuals) = inputs.split_at(usize::from(self.table_add));
        for table in tables {
            check_batch(result)?;
            ensure!(
                table.c == result.c && table.pixels() == 1,
                "the table added must be [rows, {}, 1, 1], but is {table}",
                result.c
            );
        }
        for &residual in residuals {
            expect_shape("a residual", residual, result)?;
        }
        Ok(())
    }
}
