//! The GPU executor, on wgpu: Vulkan, Metal or DX12.
//!
//! [`kernels`] turns plan steps into dispatches (plain data); the rest makes
//! pipelines, buffers and bind groups of them once, and submits.

mod adapter;
mod buffers;
mod executor;
mod failure;
pub mod kernels;
mod layout;
mod limits;
mod pace;
mod peak;
mod pipelines;
mod readback;
mod records;
pub mod shader;
mod timing;
mod twins;
mod uploads;

pub use adapter::{AdapterKind, AdapterSummary, Gpu, GpuOptions, list_adapters};
pub use executor::GpuExecutor;
pub use limits::{check_baseline, check_limits};
pub use peak::Peak;
pub use timing::DispatchTime;

use crate::graph::{Layout, PlanOptions, Precision};

/// The plan options that this executor takes.
pub fn plan_options(precision: Precision) -> PlanOptions {
    PlanOptions {
        layout: Layout::ChannelBlocks4,
        precision,
    }
}
