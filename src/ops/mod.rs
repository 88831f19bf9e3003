//! The closed set of operations.
//!
//! An operation lives in four places that share its name: its parameters and
//! shape rules in `ops/<name>.rs`, its GPU kernel in `shaders/<name>.wgsl` and
//! `exec/gpu/kernels/<name>.rs`, its CPU twin in `exec/cpu/<name>.rs`; those of
//! the reverse process are together in `sampling.rs`, and executors have
//! [`Pointwise`] in `epilogue.rs`. [`Op`] is one enum without a catch-all in any
//! executor, so a new operation does not compile until every executor answers
//! for it.

/// Fails with one sentence unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+));
        }
    };
}
pub(crate) use ensure;

mod conv2d;
mod conv_transpose2d;
mod convert;
mod count_non_finite;
mod epilogue;
mod group_norm;
mod linear;
mod linear_attention;
mod pack;
mod pointwise;
mod sampling;
mod upsample;
pub mod winograd;

pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, Padding};
pub use convert::Convert;
pub use count_non_finite::CountNonFinite;
pub use epilogue::{Activation, Epilogue, MAX_RESIDUALS};
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use linear_attention::LinearAttention;
pub use pack::{Axis, ChannelMap, Coordinate, Pack, Packing};
pub use pointwise::Pointwise;
pub use sampling::{EstimateX0, MAX_BATCH, Noise, NoiseSource, Reconstruct, SamplerUpdate};
pub use upsample::{UpsampleBicubic, UpsampleNearest, bicubic_taps, keys_cubic, symmetric};

use crate::graph::{Element, Shape};
use serde::{Deserialize, Serialize};

/// What every operation answers about itself.
pub trait Rules {
    /// Shapes of the results for these operands.
    ///
    /// # Errors
    /// One sentence that names the dimensions that do not fit.
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String>;

    /// Floating-point operations (a multiply-add counts two).
    fn flops(&self, _inputs: &[Shape], _outputs: &[Shape]) -> u64 {
        0
    }

    /// Pairs (result, operand): results that are written over an operand. No
    /// other result may share memory with an operand.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[]
    }
}

/// Makes [`Op`] of the operations, their names, and the elements of their results.
macro_rules! operations {
    ($($op:ident $name:literal $element:ident,)*) => {
        /// An operation and its parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Op {
            $($op($op),)*
        }

        impl Op {
            /// The operation's name, as in file names, messages and tables.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Op::$op(_) => $name,)*
                }
            }

            /// What the elements of new results are.
            pub fn result_element(&self) -> Element {
                match self {
                    $(Op::$op(_) => Element::$element,)*
                }
            }
        }

        impl std::ops::Deref for Op {
            type Target = dyn Rules;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Op::$op(op) => op,)*
                }
            }
        }
    };
}

operations! {
    Conv2d "conv2d" Float,
    ConvTranspose2d "conv_transpose2d" Float,
    Convert "convert" Float,
    CountNonFinite "count_non_finite" F32,
    EstimateX0 "estimate_x0" F32,
    GroupNorm "group_norm" Float,
    Linear "linear" Float,
    LinearAttention "linear_attention" Float,
    Noise "noise" F32,
    Pack "pack" F32,
    Pointwise "pointwise" Float,
    Reconstruct "reconstruct" F32,
    SamplerUpdate "sampler_update" F32,
    UpsampleBicubic "upsample_bicubic" F32,
    UpsampleNearest "upsample_nearest" Float,
}

impl Op {
    /// The epilogue, for operations that have one, and the index of its
    /// first operand.
    pub fn epilogue(&self) -> Option<(&Epilogue, usize)> {
        match self {
            Op::Conv2d(op) => Some((&op.epilogue, op.operands())),
            Op::GroupNorm(op) => Some((&op.epilogue, GroupNorm::OPERANDS)),
            Op::Pointwise(op) => Some((&op.epilogue, Pointwise::OPERANDS)),
            _ => None,
        }
    }

    pub fn epilogue_mut(&mut self) -> Option<&mut Epilogue> {
        match self {
            Op::Conv2d(op) => Some(&mut op.epilogue),
            Op::GroupNorm(op) => Some(&mut op.epilogue),
            Op::Pointwise(op) => Some(&mut op.epilogue),
            _ => None,
        }
    }
}

fn expect_operands(inputs: &[Shape], expected: usize, names: &str) -> Result<(), String> {
    let count = inputs.len();
    ensure!(
        count == expected,
        "takes {expected} operands ({names}), but was given {count}"
    );
    Ok(())
}

/// Checks the number of operands before those of an epilogue.
fn expect_at_least(inputs: &[Shape], expected: usize, names: &str) -> Result<(), String> {
    expect_operands(&inputs[..inputs.len().min(expected)], expected, names)
}

/// An image enlarged by a factor, with `channels` channels.
fn enlarged(x: Shape, channels: usize, factor: usize) -> Result<Shape, String> {
    match (x.h.checked_mul(factor), x.w.checked_mul(factor)) {
        (Some(h), Some(w)) => Ok(Shape::new(x.n, channels, h, w)),
        _ => Err(format!("{x} enlarged {factor} times is too large")),
    }
}

fn expect_shape(what: &str, actual: Shape, expected: Shape) -> Result<(), String> {
    ensure!(
        actual == expected,
        "{what} must be {expected}, but is {actual}"
    );
    Ok(())
}
