//! The closed set of operations.
//!
//! An operation lives in four places that share its name: its parameters and
//! shape rules in `ops/<name>.rs`, its GPU kernel in `shaders/<name>.wgsl` and
//! `exec/gpu/kernels/<name>.rs`, its CPU twin in `exec/cpu/<name>.rs`. Only
//! those of the reverse process share a file, `sampling.rs`. [`Op`] is one enum,
//! and where an executor chooses and runs kernels there is no catch-all, so a new
//! operation does not compile until every executor answers for it.

/// Fails with one sentence unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+));
        }
    };
}
pub(crate) use ensure;

mod accumulate;
mod activation_gradient;
mod adam;
mod channel_sum;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod conv_transpose2d_gradient;
mod convert;
mod count_non_finite;
mod dilate;
mod element;
mod epilogue;
mod fold_border;
mod group_norm;
mod group_norm_gradient;
mod linear;
mod linear_attention;
mod linear_attention_gradient;
mod loss;
mod pack;
mod pointwise;
mod precision;
mod sampling;
mod shape;
mod squared_norms;
mod upsample_bicubic;
mod upsample_nearest;
mod upsample_nearest_gradient;
pub mod winograd;

pub use accumulate::Accumulate;
pub use activation_gradient::ActivationGradient;
pub use adam::{Adam, AdamStep};
pub use channel_sum::ChannelSum;
pub use conv_transpose2d::ConvTranspose2d;
pub use conv_transpose2d_gradient::ConvTranspose2dGradient;
pub use conv2d::{Conv2d, Padding};
pub use conv2d_weight_gradient::Conv2dWeightGradient;
pub use convert::Convert;
pub use count_non_finite::CountNonFinite;
pub use dilate::Dilate;
pub use element::Element;
pub use epilogue::{Activation, Epilogue, MAX_RESIDUALS};
pub use fold_border::FoldBorder;
pub use group_norm::GroupNorm;
pub use group_norm_gradient::GroupNormGradient;
pub use linear::Linear;
pub use linear_attention::LinearAttention;
pub use linear_attention_gradient::LinearAttentionGradient;
pub use loss::{Loss, Norm};
pub use pack::{Axis, ChannelMap, Coordinate, Pack, Packing};
pub use pointwise::Pointwise;
pub use precision::Precision;
pub use sampling::{EstimateX0, MAX_BATCH, Noise, NoiseSource, Reconstruct, SamplerUpdate};
pub use shape::Shape;
pub use squared_norms::SquaredNorms;
pub use upsample_bicubic::{UpsampleBicubic, bicubic_taps, keys_cubic, symmetric};
pub use upsample_nearest::UpsampleNearest;
pub use upsample_nearest_gradient::UpsampleNearestGradient;

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
    Accumulate "accumulate" Tensor,
    ActivationGradient "activation_gradient" Float,
    Adam "adam" Tensor,
    ChannelSum "channel_sum" F32,
    Conv2d "conv2d" Float,
    Conv2dWeightGradient "conv2d_weight_gradient" Tensor,
    ConvTranspose2d "conv_transpose2d" Float,
    ConvTranspose2dGradient "conv_transpose2d_gradient" Float,
    Convert "convert" Float,
    CountNonFinite "count_non_finite" F32,
    Dilate "dilate" Float,
    EstimateX0 "estimate_x0" F32,
    FoldBorder "fold_border" Float,
    GroupNorm "group_norm" Float,
    GroupNormGradient "group_norm_gradient" Float,
    Linear "linear" Float,
    LinearAttention "linear_attention" Float,
    LinearAttentionGradient "linear_attention_gradient" Float,
    Loss "loss" F32,
    Noise "noise" F32,
    Pack "pack" F32,
    Pointwise "pointwise" Float,
    Reconstruct "reconstruct" F32,
    SamplerUpdate "sampler_update" F32,
    SquaredNorms "squared_norms" F32,
    UpsampleBicubic "upsample_bicubic" F32,
    UpsampleNearest "upsample_nearest" Float,
    UpsampleNearestGradient "upsample_nearest_gradient" Float,
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

/// The shape of an operand x, enlarged by a factor.
fn enlarged_operand(inputs: &[Shape], factor: usize) -> Result<Vec<Shape>, String> {
    expect_operands(inputs, 1, "x")?;
    ensure!(factor > 0, "the factor must be at least 1");
    let x = inputs[0];
    Ok(vec![enlarged(x, x.c, factor)?])
}

fn expect_shape(what: &str, actual: Shape, expected: Shape) -> Result<(), String> {
    ensure!(
        actual == expected,
        "{what} must be {expected}, but is {actual}"
    );
    Ok(())
}
