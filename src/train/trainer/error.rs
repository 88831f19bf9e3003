//! What keeps a model from being trained.

use crate::diffusion::{SamplerError, ScheduleError};
use crate::exec::{ExecError, PrepareError};
use crate::graph::{GraphError, ParameterError};
use thiserror::Error;

/// Why a step of training, or its preparation, fails.
#[derive(Debug, Error)]
pub enum TrainError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    #[error("{0}")]
    Options(String),
    /// On GPUs, channel groups are padded to multiples of 4, and not all gradients
    /// know padding.
    #[error("this GPU cannot train '{layer}' ({reason}); choose the CPU")]
    NoKernel { layer: String, reason: String },
}
