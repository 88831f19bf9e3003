//! The closed set of operations.
//!
//! An operation lives in four places that share its name: its parameters and
//! shape rules in `ops/<name>.rs`, its GPU kernel in `shaders/<name>.wgsl` and
//! `exec/gpu/kernels/<name>.rs`, its CPU twin in `exec/cpu/<name>.rs`. [`Op`]
//! is one enum without a catch-all in any executor, so a new operation does
//! not compile until every executor answers for it.

mod conv2d;
mod conv_transpose2d;
mod convert;
mod count_non_finite;
mod epilogue;
mod estimate_x0;
mod group_norm;
mod linear;
mod linear_attention;
mod noise;
mod pack;
mod pointwise;
mod reconstruct;
mod sampler_update;
mod upsample;

pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, Padding};
pub use convert::Convert;
pub use count_non_finite::CountNonFinite;
pub use epilogue::{Activation, Epilogue, MAX_RESIDUALS};
pub use estimate_x0::EstimateX0;
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use linear_attention::LinearAttention;
pub use noise::{MAX_BATCH, Noise};
pub use pack::{Axis, ChannelMap, Coordinate, Pack, Packing};
pub use pointwise::Pointwise;
pub use reconstruct::Reconstruct;
pub use sampler_update::{NoiseSource, SamplerUpdate};
pub use upsample::{UpsampleBicubic, UpsampleNearest, bicubic_taps, keys_cubic, symmetric};

use crate::graph::{Element, Shape};
use serde::{Deserialize, Serialize};

/// What every operation answers about itself.
pub trait Rules {
    /// The operation's name, as in file names, messages and tables.
    fn name(&self) -> &'static str;

    /// Shapes of the results for these operands.
    ///
    /// # Errors
    /// One sentence that names the dimensions that do not fit.
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String>;

    /// Floating-point operations (a multiply-add counts two).
    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        let _ = (inputs, outputs);
        0
    }

    /// What the elements of new results are.
    fn result_element(&self) -> Element {
        Element::Float
    }

    /// Pairs (result, operand): results that are written over an operand. No
    /// other result may share memory with an operand.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[]
    }

    /// The epilogue, for operations that have one, and the index of its
    /// first operand.
    fn epilogue(&self) -> Option<(&Epilogue, usize)> {
        None
    }

    /// The epilogue, to be changed.
    fn epilogue_mut(&mut self) -> Option<&mut Epilogue> {
        None
    }
}

/// An operation and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    Conv2d(Conv2d),
    ConvTranspose2d(ConvTranspose2d),
    Convert(Convert),
    CountNonFinite(CountNonFinite),
    EstimateX0(EstimateX0),
    GroupNorm(GroupNorm),
    Linear(Linear),
    LinearAttention(LinearAttention),
    Noise(Noise),
    Pack(Pack),
    Pointwise(Pointwise),
    Reconstruct(Reconstruct),
    SamplerUpdate(SamplerUpdate),
    UpsampleBicubic(UpsampleBicubic),
    UpsampleNearest(UpsampleNearest),
}

/// The rules of whichever operation it is.
macro_rules! rules {
    ($op:expr) => {
        match $op {
            Op::Conv2d(op) => op,
            Op::ConvTranspose2d(op) => op,
            Op::Convert(op) => op,
            Op::CountNonFinite(op) => op,
            Op::EstimateX0(op) => op,
            Op::GroupNorm(op) => op,
            Op::Linear(op) => op,
            Op::LinearAttention(op) => op,
            Op::Noise(op) => op,
            Op::Pack(op) => op,
            Op::Pointwise(op) => op,
            Op::Reconstruct(op) => op,
            Op::SamplerUpdate(op) => op,
            Op::UpsampleBicubic(op) => op,
            Op::UpsampleNearest(op) => op,
        }
    };
}

impl std::ops::Deref for Op {
    type Target = dyn Rules;

    fn deref(&self) -> &Self::Target {
        rules!(self)
    }
}

impl std::ops::DerefMut for Op {
    fn deref_mut(&mut self) -> &mut Self::Target {
        rules!(self)
    }
}

/// Checks the number of operands.
fn expect_operands(inputs: &[Shape], expected: usize, names: &str) -> Result<(), String> {
    if inputs.len() == expected {
        Ok(())
    } else {
        Err(format!(
            "takes {expected} operands ({names}), but was given {}",
            inputs.len()
        ))
    }
}

/// An image enlarged by a factor, with `channels` channels.
fn enlarged(x: Shape, channels: usize, factor: usize) -> Result<Shape, String> {
    let (h, w) = (x.h.checked_mul(factor), x.w.checked_mul(factor));
    match (h, w) {
        (Some(h), Some(w)) => Ok(Shape::new(x.n, channels, h, w)),
        _ => Err(format!("{x} enlarged {factor} times is too large")),
    }
}

/// Checks the shape of one operand.
fn expect_shape(what: &str, actual: Shape, expected: Shape) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what} must be {expected}, but is {actual}"))
    }
}
