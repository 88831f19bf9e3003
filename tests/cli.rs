//! The binary as a black box: what it makes, what it refuses with which
//! message and exit code, and that a refusal leaves nothing behind.

#[path = "cli/batch.rs"]
mod batch;
#[path = "cli/batch_names.rs"]
mod batch_names;
#[path = "cli/blend.rs"]
mod blend;
#[path = "cli/conversion.rs"]
mod conversion;
#[path = "cli/devices.rs"]
mod devices;
#[path = "cli/distillation.rs"]
mod distillation;
#[path = "cli/evaluate.rs"]
mod evaluate;
#[path = "cli/evaluate_files.rs"]
mod evaluate_files;
#[path = "cli/folder.rs"]
mod folder;
#[path = "cli/frames.rs"]
mod frames;
#[cfg(target_os = "linux")]
#[path = "cli/full_disk.rs"]
mod full_disk;
#[path = "cli/inputs.rs"]
mod inputs;
#[cfg(target_os = "linux")]
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/models.rs"]
mod models;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/reruns.rs"]
mod reruns;
#[path = "cli/results.rs"]
mod results;
#[path = "cli/samples.rs"]
mod samples;
#[path = "cli/stopping.rs"]
mod stopping;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/train.rs"]
mod train;
#[cfg(feature = "gpu")]
#[path = "cli/train_on_gpus.rs"]
mod train_on_gpus;
#[path = "cli/train_saving.rs"]
mod train_saving;
#[cfg(feature = "gpu")]
#[path = "cli/tune.rs"]
mod tune;

mod support;
#[path = "support/models.rs"]
mod support_models;
