//! The shaders without a device: every specialisation is valid WGSL within
//! WebGPU's default limits and translates to SPIR-V, MSL and HLSL, and lowered
//! programs fill what the shaders declare.

#[path = "shaders/lowered.rs"]
mod lowered;
#[path = "shaders/specialisations.rs"]
mod specialisations;
#[path = "support/mod.rs"]
mod support;
#[path = "shaders/template.rs"]
mod template;
#[path = "shaders/translate.rs"]
mod translate;
