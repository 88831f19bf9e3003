//! What several tests need: where the fixtures are, which adapters to run on.
#![allow(dead_code)] // no test uses all of it

use srdiff::exec::gpu::{AdapterKind, AdapterSummary, list_adapters};
use std::path::PathBuf;

/// The folder of golden tensors: `SRDIFF_FIXTURES`, or the project's own.
pub fn fixtures() -> PathBuf {
    std::env::var_os("SRDIFF_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    )
}

/// Every GPU of this machine, software ones included.
///
/// # Panics
/// When there is none but `SRDIFF_REQUIRE_GPU=1` says that there must be.
pub fn adapters() -> Vec<AdapterSummary> {
    let adapters = list_adapters();
    if adapters.is_empty() {
        assert!(
            !gpu_required(),
            "SRDIFF_REQUIRE_GPU=1, and there is no adapter"
        );
        println!("skipped on the GPU: there is no adapter");
    }
    adapters
}

/// What an adapter is asked for by: software has to be named, and of others
/// there may be two of one name, or one whose name is part of another's. (As in
/// the library's own tests, whose helpers are not built for these.)
pub fn choice_of(adapter: &AdapterSummary) -> String {
    match adapter.kind {
        AdapterKind::Software => adapter.name.clone(),
        _ => adapter.index.to_string(),
    }
}

/// Whether `SRDIFF_REQUIRE_GPU=1` says that there must be a GPU.
pub fn gpu_required() -> bool {
    is_set("SRDIFF_REQUIRE_GPU")
}

/// Whether `SRDIFF_REQUIRE_SPIRV_VAL=1` says that there must be the Khronos
/// validator, `spirv-val` of spirv-tools.
pub fn spirv_val_required() -> bool {
    is_set("SRDIFF_REQUIRE_SPIRV_VAL")
}

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}
