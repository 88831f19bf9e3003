//! Model files: the starter model, the fixtures, and everything that can be
//! wrong with one, each as a small file made for it.

#[path = "model/checksum.rs"]
mod checksum;
#[cfg(feature = "gpu")]
#[path = "model/divisor.rs"]
mod divisor;
#[path = "model/fixtures.rs"]
mod fixtures;
#[path = "model/formats.rs"]
mod formats;
#[path = "model/group_norm.rs"]
mod group_norm;
#[path = "model/printable.rs"]
mod printable;
#[path = "model/problems.rs"]
mod problems;
#[path = "model/settings.rs"]
mod settings;
#[path = "model/starter.rs"]
mod starter;
mod support;
#[path = "support/models.rs"]
mod support_models;
#[path = "model/tiny.rs"]
mod tiny;
