//! srdiff: diffusion super-resolution (SRDiff, Li et al. 2022) on any GPU and on the CPU.

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
