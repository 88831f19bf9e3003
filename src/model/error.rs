//! Why a model file cannot be used.

use super::{printable, settings::SettingsError};
use crate::graph::GraphError;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ModelError {
    pub file: String,
    pub problem: ModelProblem,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum ModelProblem {
    #[error("its settings are those of no model ({0}); fetch it again")]
    Graph(GraphError),
    #[error("cannot be read ({0}); check the path of the model file")]
    Read(String),
    #[error(
        "is not a whole safetensors file ({}); fetch it again, or make one with `srdiff convert`",
        printable(.0)
    )]
    Format(String),
    #[error(
        "is damaged: its checksum is {}..., but what is in the file gives {found}...; fetch or convert it again",
        printable(stated)
    )]
    Checksum { stated: String, found: String },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(
        "has no tensor whose name starts with `{}`; open it with the prefix its names have",
        printable(.0)
    )]
    Prefix(String),
    #[error(
        "tensor `{}` is missing; the file is incomplete, fetch or convert it again",
        printable(.0)
    )]
    Missing(String),
    #[error(
        "tensor `{}` does not belong to a model with these settings; remove it or correct the settings",
        printable(.0)
    )]
    Extra(String),
    #[error(
        "tensor `{}` has shape {found:?}, but the settings ask for {expected:?}; tensors and settings must be of one model",
        printable(name)
    )]
    Shape {
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "tensor `{}` is stored as {found}; weights are stored as f32, f16 or bf16, convert it to one of them",
        printable(name)
    )]
    Type { name: String, found: String },
    #[error(
        "tensor `{}` holds {value} at element {index}; the file is damaged or its training diverged, use another",
        printable(name)
    )]
    NotFinite {
        name: String,
        index: usize,
        value: f32,
    },
    #[error(
        "tensor `{}` {reason}; weight normalisation is a pair `weight_g`, `weight_v` in place of `weight`",
        printable(name)
    )]
    WeightNorm { name: String, reason: &'static str },
}

impl ModelProblem {
    /// Names the file it is a problem of.
    pub(super) fn of(self, file: &str) -> ModelError {
        ModelError {
            file: file.to_owned(),
            problem: self,
        }
    }
}
