//! What a trainer is told, and what it tells.

use crate::diffusion::{SamplerError, ScheduleError};
use crate::exec::{ExecError, PrepareError};
use crate::graph::{GraphError, ParameterError};
use crate::model::objective::Stage;
use crate::ops::{Adam, Norm};
use thiserror::Error;

/// Sizes and rules that do not change while a trainer lives.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    pub stage: Stage,
    /// Of the noise; the encoder's loss is always L1.
    pub norm: Norm,
    /// Images of a batch: 1 to [`MAX_BATCH`].
    pub batch: usize,
    /// Of the LR images, a multiple of [`Settings::lr_size_multiple`].
    pub lr_size: [usize; 2],
    /// Whether steps may have several batches.
    pub accumulates: bool,
    /// See [`Differentiation::segments`](crate::graph::Differentiation::segments):
    /// more than 1 to trade time for memory.
    pub segments: usize,
    pub adam: Adam,
    /// Weight decay.
    pub decay: f32,
    /// Whether the decay is AdamW's, and not added to gradients as Adam's is.
    pub decoupled: bool,
    /// The largest norm of all gradients together; larger ones are scaled down.
    pub max_norm: f32,
    /// Share of the old average of parameters in the new one, once there have
    /// been enough steps: the smaller of this and `(1 + t) / (10 + t)` is used.
    pub average: f32,
}

impl TrainerOptions {
    /// The paper's optimizer: Adam with betas of 0.9 and 0.999, and L1.
    pub fn new(stage: Stage, batch: usize, lr_size: [usize; 2]) -> Self {
        Self {
            stage,
            norm: Norm::L1,
            batch,
            lr_size,
            accumulates: false,
            segments: 1,
            adam: Adam {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            },
            decay: 0.0,
            decoupled: true,
            max_norm: 1.0,
            average: 0.9995,
        }
    }
}

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

/// Means over the batches of a step; of those that the stage has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    pub denoiser: Option<f64>,
    pub encoder: Option<f64>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    pub losses: Losses,
    /// Of all gradients together, before it was limited.
    pub norm: f64,
    /// Whether the parameters were left as they are, a gradient not being finite.
    pub skipped: bool,
}
