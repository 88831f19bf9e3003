//! Why a model file cannot be used.

use super::{FloatType, printable, settings::SettingsError};

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
        "is not a whole safetensors file ({}); fetch it again, or make one with `srdiff convert`",
        printable(.0)
    )]
    Format(String),
    /// Its settings are missing, wrong, or not those of its tensors.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No tensor has the prefix it was opened with.
    #[error(
        "has no tensor whose name starts with `{}`; open it with the prefix its names have",
        printable(.0)
    )]
    Prefix(String),
    /// A tensor that its settings ask for is not there.
    #[error(
        "tensor `{}` is missing; the file is incomplete, fetch or convert it again",
        printable(.0)
    )]
    Missing(String),
    /// A tensor that no model with its settings has.
    #[error(
        "tensor `{}` does not belong to a model with these settings; remove it or correct the settings",
        printable(.0)
    )]
    Extra(String),
    /// A tensor of the wrong shape.
    #[error(
        "tensor `{}` has shape {found:?}, but the settings ask for {expected:?}; tensors and settings must be of one model",
        printable(name)
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
        "tensor `{}` is stored as {}; weights are stored as {}, convert it to one of them",
        printable(name),
        printable(found),
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
        "tensor `{}` holds {value} at element {index}; the file is damaged or its training diverged, use another",
        printable(name)
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
        "tensor `{}` {reason}; weight normalisation is a pair `weight_g`, `weight_v` in place of `weight`",
        printable(name)
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
