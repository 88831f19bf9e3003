//! The SRDiff model: settings, weights, conversion of published checkpoints,
//! and the graphs of its phases.

mod encoder;
pub mod phases;
mod settings;
mod sizes;
mod time;
mod unet;

pub use phases::{PhaseOptions, names};
pub use settings::Settings;
