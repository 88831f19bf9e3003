//! The closed set of operations: parameters, shape rules and costs.
//!
//! An operation's rules stand in the file of its name, its GPU kernel in
//! `shaders/<name>.wgsl` and `exec/gpu/kernels/<name>.rs`, its CPU twin in
//! `exec/cpu/<name>.rs`. [`Op`] is one enum without a catch-all anywhere, so
//! a new operation does not compile until every executor answers for it.

mod conv2d;
mod conv_transpose2d;
mod copy;
mod epilogue;
mod group_norm;
mod image_pack;
mod linear;
mod linear_attention;
mod mish;
mod noise;
mod reconstruct;
mod sampler_update;
mod upsample;

pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, Padding};
pub use copy::Copy;
pub use epilogue::{Activation, Epilogue, MAX_RESIDUALS};
pub use group_norm::GroupNorm;
pub use image_pack::{ImagePack, ImageUnpack};
pub use linear::Linear;
pub use linear_attention::LinearAttention;
pub use mish::Mish;
pub use noise::{MAX_BATCH, Noise};
pub use reconstruct::Reconstruct;
pub use sampler_update::{NoiseSource, SamplerUpdate};
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
    fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64;
}

/// An operation and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // each variant is documented at its struct
pub enum Op {
    Conv2d(Conv2d),
    ConvTranspose2d(ConvTranspose2d),
    Copy(Copy),
    GroupNorm(GroupNorm),
    ImagePack(ImagePack),
    ImageUnpack(ImageUnpack),
    Linear(Linear),
    LinearAttention(LinearAttention),
    Mish(Mish),
    Noise(Noise),
    Reconstruct(Reconstruct),
    SamplerUpdate(SamplerUpdate),
    UpsampleBicubic(UpsampleBicubic),
    UpsampleNearest(UpsampleNearest),
}

impl Op {
    fn rules(&self) -> &dyn Rules {
        match self {
            Op::Conv2d(op) => op,
            Op::ConvTranspose2d(op) => op,
            Op::Copy(op) => op,
            Op::GroupNorm(op) => op,
            Op::ImagePack(op) => op,
            Op::ImageUnpack(op) => op,
            Op::Linear(op) => op,
            Op::LinearAttention(op) => op,
            Op::Mish(op) => op,
            Op::Noise(op) => op,
            Op::Reconstruct(op) => op,
            Op::SamplerUpdate(op) => op,
            Op::UpsampleBicubic(op) => op,
            Op::UpsampleNearest(op) => op,
        }
    }

    /// The operation's name, as in file names, messages and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Conv2d(_) => "conv2d",
            Op::ConvTranspose2d(_) => "conv_transpose2d",
            Op::Copy(_) => "copy",
            Op::GroupNorm(_) => "group_norm",
            Op::ImagePack(_) => "image_pack",
            Op::ImageUnpack(_) => "image_unpack",
            Op::Linear(_) => "linear",
            Op::LinearAttention(_) => "linear_attention",
            Op::Mish(_) => "mish",
            Op::Noise(_) => "noise",
            Op::Reconstruct(_) => "reconstruct",
            Op::SamplerUpdate(_) => "sampler_update",
            Op::UpsampleBicubic(_) => "upsample_bicubic",
            Op::UpsampleNearest(_) => "upsample_nearest",
        }
    }

    /// Shapes of the results for these operands; see [`Rules::infer`].
    ///
    /// # Errors
    /// One sentence that names the dimensions that do not fit.
    pub fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        self.rules().infer(inputs)
    }

    /// Floating-point operations (a multiply-add counts two).
    pub fn flops(&self, inputs: &[Shape], outputs: &[Shape]) -> u64 {
        self.rules().flops(inputs, outputs)
    }

    /// What the elements of the first result are.
    pub fn result_element(&self) -> Element {
        match self {
            Op::ImagePack(_) => Element::Pixel,
            Op::ImageUnpack(_)
            | Op::Noise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::UpsampleBicubic(_) => Element::Full,
            Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::Copy(_)
            | Op::GroupNorm(_)
            | Op::Linear(_)
            | Op::LinearAttention(_)
            | Op::Mish(_)
            | Op::UpsampleNearest(_) => Element::Real,
        }
    }

    /// Names of the results after the first that are scratch memory of the
    /// operation, stored in f32.
    pub fn scratch_names(&self) -> &'static [&'static str] {
        match self {
            Op::GroupNorm(_) => &["statistics"],
            Op::LinearAttention(_) => &["context"],
            Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::Copy(_)
            | Op::ImagePack(_)
            | Op::ImageUnpack(_)
            | Op::Linear(_)
            | Op::Mish(_)
            | Op::Noise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::UpsampleBicubic(_)
            | Op::UpsampleNearest(_) => &[],
        }
    }

    /// How many of the first results may be written over the operand of the
    /// same index; all others must not lie over an operand.
    pub fn in_place_results(&self) -> usize {
        match self {
            Op::SamplerUpdate(_) => 2,
            Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::Copy(_)
            | Op::GroupNorm(_)
            | Op::ImagePack(_)
            | Op::ImageUnpack(_)
            | Op::Linear(_)
            | Op::LinearAttention(_)
            | Op::Mish(_)
            | Op::Noise(_)
            | Op::Reconstruct(_)
            | Op::UpsampleBicubic(_)
            | Op::UpsampleNearest(_) => 0,
        }
    }

    /// The epilogue, for operations that have one, and the index of its
    /// first operand.
    pub fn epilogue(&self) -> Option<(&Epilogue, usize)> {
        match self {
            Op::Conv2d(op) => Some((&op.epilogue, op.operands())),
            Op::GroupNorm(op) => Some((&op.epilogue, GroupNorm::OPERANDS)),
            Op::ConvTranspose2d(_)
            | Op::Copy(_)
            | Op::ImagePack(_)
            | Op::ImageUnpack(_)
            | Op::Linear(_)
            | Op::LinearAttention(_)
            | Op::Mish(_)
            | Op::Noise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::UpsampleBicubic(_)
            | Op::UpsampleNearest(_) => None,
        }
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

/// Checks the shape of one operand.
fn expect_shape(what: &str, actual: Shape, expected: Shape) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what} must be {expected}, but is {actual}"))
    }
}
