//! srdiff: diffusion super-resolution (SRDiff, Li et al. 2022) on any GPU and on the CPU.
//!
//! [`upscale`] is where to begin: an [`Upscaler`](upscale::Upscaler) makes images
//! larger, [`image`] reads and writes them, and [`model`] loads weights. [`train`]
//! makes better ones. The rest is the engine below: [`graph`], [`plan`] and [`exec`].

pub mod atomic_file;
pub mod diffusion;
pub mod exec;
pub mod graph;
mod host_memory;
pub mod image;
pub mod model;
pub mod ops;
pub mod plan;
mod temporary;
pub mod train;
pub mod upscale;
