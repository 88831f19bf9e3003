//! The native CPU executor: the same plans as on a GPU.
//!
//! Arrays are channels-last, so a convolution is a handful of matrix products
//! over pixels (`products`) and everything else runs along contiguous
//! channels, vectorised for the machine's instruction set at run time (pulp).
//! Pictures are cut into tiles that fit the cache; rayon spreads the tiles
//! over the cores.

mod conv2d;
mod conv_transpose2d;
mod copy;
mod epilogue;
mod executor;
mod group_norm;
mod image_pack;
mod kernel;
mod linear;
mod linear_attention;
mod memory;
mod mish;
mod noise;
mod products;
mod reconstruct;
mod sampler_update;
mod simd;
mod tiles;
mod upsample;

pub use executor::CpuExecutor;

use crate::graph::{Layout, PlanOptions, Precision};

/// The plan options that this executor takes.
pub fn plan_options() -> PlanOptions {
    PlanOptions {
        layout: Layout::ChannelsLast,
        precision: Precision::F32,
    }
}
