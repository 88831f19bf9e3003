//! The SRDiff model: settings, weights, conversion of checkpoints, and the
//! graphs of its phases.

mod checksum;
mod config;
pub mod convert;
mod encoder;
mod error;
mod file;
mod float_type;
mod layers;
mod layout;
pub mod objective;
mod parameters;
pub mod phases;
mod printable;
pub mod settings;
mod tensor_sizes;
pub mod time;
mod unet;
mod weight_norm;
pub mod weights;

use crate::diffusion::Process;
use std::path::Path;

pub use error::{ModelError, ModelProblem};
pub use float_type::FloatType;
pub use layout::expected_tensors;
pub(crate) use layout::gate;
pub use phases::{PhaseOptions, names};
pub use printable::{escaped, printable};
pub use settings::{Attention, Settings, SettingsError};
pub use weights::{Tensor, Weights};

/// The starter model, built into the library.
static STARTER: &[u8] = include_bytes!("../../weights/srdiff-s-x4.safetensors");

/// A checked model: it has exactly the tensors that its settings ask for, with
/// the right shapes and finite elements.
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
    /// As [`Weights::open`] and [`Model::from_weights`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::from_weights(Weights::open(path)?)
    }

    /// The small 4x model that comes with the library (see `weights/README.md`).
    pub fn starter() -> Self {
        // Tests check that it is what a file must be, and not each run: that would
        // take longer than planning.
        Weights::unverified(STARTER, "the built-in starter model")
            .and_then(|weights| {
                let settings = weights.settings()?;
                Ok(Self { settings, weights })
            })
            .expect("the built-in starter model is a valid model")
    }

    /// # Errors
    /// When the settings and tensors do not make one whole model.
    pub fn from_weights(weights: Weights) -> Result<Self, ModelError> {
        let settings = weights.settings()?;
        weights.validate(&settings)?;
        Ok(Self { settings, weights })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same model, distilled for a process, or for none.
    ///
    /// # Errors
    /// When the process has more steps than the model has timesteps.
    pub fn distilled_for(mut self, process: Option<Process>) -> Result<Self, ModelError> {
        self.settings.distilled = process;
        match self.settings.check() {
            Ok(()) => Ok(self),
            Err(error) => Err(ModelProblem::from(error).of(self.file())),
        }
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The file's path, or the label of a model without one.
    pub fn file(&self) -> &str {
        self.weights.file()
    }

    /// The checksum that the file states, `sha256:...`. It was verified when the
    /// file was opened; that of the starter model, by the library's tests.
    pub fn checksum(&self) -> Option<&str> {
        self.weights.metadata(checksum::KEY)
    }

    /// The licence of the weights, as an SPDX expression where the file has one.
    pub fn license(&self) -> Option<&str> {
        self.weights.metadata("license")
    }

    /// Description of the training.
    pub fn training(&self) -> Option<&str> {
        self.weights.metadata("training")
    }
}
