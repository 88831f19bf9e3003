//! The native CPU executor: the same programs as on a GPU.
//!
//! Arrays are channels-last, so a convolution is a matrix product over pixels
//! (`product`), or several of them (`winograd`); everything else runs along contiguous
//! channels, vectorised for the machine's instruction set at run time (pulp).
//! Images are cut into tiles that fit the cache; rayon spreads the tiles over
//! the cores. Each kernel's file says which formats, packing and scratch memory
//! it wants (`choose`), and makes the closure that runs it (`load`).

mod accumulate;
mod activation_gradient;
mod adam;
mod channel_sum;
mod choose;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod conv_transpose2d_gradient;
mod convert;
mod count_non_finite;
mod dilate;
mod epilogue;
mod executor;
mod fold_border;
mod gemm;
mod group_norm;
mod group_norm_gradient;
mod kernel;
mod linear;
mod linear_attention;
mod linear_attention_gradient;
mod loss;
mod memory;
mod mish;
mod number;
mod outer_product;
mod pack;
mod pointwise;
mod product;
mod sampling;
mod simd;
mod squared_norms;
#[cfg(test)]
mod tests;
mod tiles;
mod upsample_bicubic;
mod upsample_nearest;
mod upsample_nearest_gradient;
mod winograd;

#[cfg(test)]
pub(crate) use crate::host_memory::refusal;
pub use choose::CpuChooser;
pub use executor::{CpuBackend, CpuExecutor};
pub use number::has_bf16;
pub(crate) use sampling::next_x;
