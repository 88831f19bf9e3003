//! Runs a lowered program through wgpu.

mod adapter;
mod backend;
mod buffers;
mod duplicates;
mod executor;
mod failure;
mod pace;
mod pipelines;
mod readback;
mod runs;
mod stored;
#[cfg(test)]
mod tests;
mod timing;
mod uploads;
mod work;

pub use adapter::{Adapters, Gpu, GpuOptions, list_adapters};
pub use backend::GpuBackend;
pub use executor::{GpuExecutor, Spent};
pub use timing::DispatchTime;
