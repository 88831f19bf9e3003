//! Every shader parses, validates and translates to every backend's language;
//! the baseline keeps to standard WGSL and WebGPU's default limits; and its
//! bindings, structs and overrides are those that the Rust side fills in.

#[path = "shaders/contract.rs"]
mod contract;
#[path = "shaders/style.rs"]
mod style;
#[path = "support/mod.rs"]
mod support;
#[path = "shaders/translate.rs"]
mod translate;
#[path = "shaders/words.rs"]
mod words;
