//! The GPU executor: Vulkan, Metal or DX12.
//!
//! [`kernels`] say what each operation's shaders want and how they are
//! dispatched, [`lower()`] makes a [`Lowered`] of a program: plain data, from
//! [templates](template) through naga's [reflection](shader). `device` alone
//! names wgpu; it is left out without the feature `gpu`.

mod adapter;
mod cache_folder;
#[cfg(feature = "gpu")]
mod device;
pub mod kernels;
mod limits;
mod lower;
mod lowered;
pub mod shader;
pub mod template;
pub mod tuning;

pub use adapter::{AdapterKind, AdapterSummary};
pub use cache_folder::{CacheFolder, Identity};
#[cfg(feature = "gpu")]
pub use device::{
    Adapters, DispatchTime, Gpu, GpuBackend, GpuExecutor, GpuOptions, Spent, list_adapters,
};
pub use kernels::{GpuChooser, variants};
pub use limits::{check_baseline, check_limits};
pub use lower::{MAX_DISPATCH_FLOPS, lower};
pub use lowered::{
    Access, Bound, Buffer, BufferUse, COUNTER_BYTES, Command, Lowered, LoweredPhase, Module,
    Pipeline, PipelineBinding, RECORD_BYTES, UNIFORM_STRIDE, Weight,
};

/// Every adapter of this machine, to test on: `SRDIFF_REQUIRE_GPU=1` says that there
/// must be one.
#[cfg(all(test, feature = "gpu"))]
pub(crate) fn test_adapters() -> Vec<AdapterSummary> {
    let adapters = list_adapters();
    let required = std::env::var("SRDIFF_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(
        !required || !adapters.is_empty(),
        "SRDIFF_REQUIRE_GPU=1, and there is no adapter"
    );
    adapters
}

/// What an adapter is asked for by: software has to be named, and of others
/// there may be two of one name, or one whose name is part of another's.
#[cfg(all(test, feature = "gpu"))]
pub(crate) fn choice_of(adapter: &AdapterSummary) -> String {
    match adapter.kind {
        AdapterKind::Software => adapter.name.clone(),
        _ => adapter.index.to_string(),
    }
}

/// Every adapter of this machine: none, without the feature `gpu`.
#[cfg(not(feature = "gpu"))]
pub fn list_adapters() -> Vec<AdapterSummary> {
    Vec::new()
}

/// Every adapter of this machine: none, without the feature `gpu`.
#[cfg(not(feature = "gpu"))]
#[derive(Debug, Default)]
pub struct Adapters {}

#[cfg(not(feature = "gpu"))]
impl Adapters {
    pub fn list() -> Self {
        Self {}
    }

    pub fn summaries(&self) -> &[AdapterSummary] {
        &[]
    }
}
