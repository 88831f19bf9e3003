//! The SRDiff model: settings, weights, conversion of published checkpoints,
//! and the graphs of its phases.

mod config;
pub mod convert;
mod encoder;
mod error;
mod file;
mod float_type;
mod layout;
pub mod phases;
mod printable;
pub mod settings;
mod sizes;
mod tensor_sizes;
pub mod time;
mod unet;
mod weight_norm;
pub mod weights;

use std::path::Path;

pub use error::{ModelError, ModelProblem};
pub use float_type::FloatType;
pub use layout::expected_tensors;
pub use phases::{PhaseOptions, names};
pub use printable::{escaped, printable};
pub use settings::{Attention, Settings, SettingsError};
pub use weights::{Tensor, Weights};

/// The starter model, built into the library.
static STARTER: &[u8] = include_bytes!("../../weights/srdiff-s-x4.safetensors");

/// A checked model: every tensor its settings ask for is there, has the right
/// shape and is finite, and there is none besides.
#[derive(Debug)]
pub struct Model {
    settings: Settings,
    weights: Weights,
}

impl Model {
    /// Opens and checks a model file.
    ///
    /// The file is mapped into memory, so it must not be changed while the
    /// model is in use.
    ///
    /// # Errors
    /// When the file cannot be read, is not a safetensors file, or its
    /// settings and tensors do not make one whole model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::from_weights(Weights::open(path)?)
    }

    /// The small 4x model that comes with the library (see `weights/README.md`).
    pub fn starter() -> Self {
        Weights::from_static(STARTER, "the built-in starter model")
            .and_then(Self::from_weights)
            .expect("the built-in starter model is a valid model")
    }

    /// Checks `weights` and makes a model of them.
    ///
    /// # Errors
    /// When their settings and tensors do not make one whole model.
    pub fn from_weights(weights: Weights) -> Result<Self, ModelError> {
        let settings = weights.settings()?;
        weights.validate(&settings)?;
        Ok(Self { settings, weights })
    }

    /// What the model is: sizes, scale, schedule, scaling of its inputs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The model's tensors.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Where the model came from: its path, or a label for one without a file.
    pub fn file(&self) -> &str {
        self.weights.file()
    }

    /// The licence of the weights, as an SPDX expression where the file has one.
    pub fn license(&self) -> Option<&str> {
        self.weights.metadata("license")
    }

    /// How the weights were trained, in words.
    pub fn training(&self) -> Option<&str> {
        self.weights.metadata("training")
    }
}
