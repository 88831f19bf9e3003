//! Model files: the starter model, the fixtures, and everything that can be
//! wrong with one, each as a small file made for it.

#[path = "model/fixtures.rs"]
mod fixtures;
#[path = "model/formats.rs"]
mod formats;
#[path = "model/problems.rs"]
mod problems;
#[path = "model/settings.rs"]
mod settings;
#[path = "model/starter.rs"]
mod starter;
mod support;
#[path = "model/tiny.rs"]
mod tiny;
