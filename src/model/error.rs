//! Why a model file cannot be used.

use super::{FloatType, settings::SettingsError};

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ModelError {
    /// The file, or the label of a model without one.
    pub file: String,
    /// What is wrong with it.
    pub problem: ModelProblem,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum ModelProblem {
    /// It cannot be opened, mapped or found.
    #[error("cannot be read ({0}); check the path of the model file")]
    Read(String),
    /// Its bytes are not a whole safetensors file.
    #[error(
        "is not a whole safetensors file ({0}); fetch it again, or make one with `srdiff convert`"
    )]
    Format(String),
    /// Its settings are missing, wrong, or not those of its tensors.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No tensor has the prefix it was opened with.
    #[error("has no tensor whose name starts with `{0}`; open it with the prefix its names have")]
    Prefix(String),
    /// A tensor that its settings ask for is not there.
    #[error("tensor `{0}` is missing; the file is incomplete, fetch or convert it again")]
    Missing(String),
    /// A tensor that no model with its settings has.
    #[error(
        "tensor `{0}` does not belong to a model with these settings; remove it or correct the settings"
    )]
    Extra(String),
    /// A tensor of the wrong shape.
    #[error(
        "tensor `{name}` has shape {found:?}, but the settings ask for {expected:?}; tensors and settings must be of one model"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor of a number format that weights are not stored in.
    #[error(
        "tensor `{name}` is stored as {found}; weights are stored as {}, convert it to one of them",
        FloatType::LIST
    )]
    Type {
        /// The tensor.
        name: String,
        /// Its number format.
        found: String,
    },
    /// A tensor that holds NaN or an infinity.
    #[error(
        "tensor `{name}` holds {value} at element {index}; the file is damaged or its training diverged, use another"
    )]
    NotFinite {
        /// The tensor.
        name: String,
        /// Index of the first such element, row-major.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// Weight normalisation in an impossible form.
    #[error(
        "tensor `{name}` {reason}; weight normalisation is a pair `weight_g`, `weight_v` in place of `weight`"
    )]
    WeightNorm {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl ModelProblem {
    /// Names the file it is a problem of.
    pub(crate) fn of(self, file: &str) -> ModelError {
        ModelError {
            file: file.to_owned(),
            problem: self,
        }
    }
}
