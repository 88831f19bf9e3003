//! What a trainer is told.

use crate::model::objective::Stage;
use crate::ops::{Adam, Norm};

/// Sizes and rules that do not change while a trainer lives.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    pub stage: Stage,
    /// Of the noise; the encoder's loss is always L1.
    pub norm: Norm,
    /// Images of a batch: 1 to [`MAX_BATCH`](crate::ops::MAX_BATCH).
    pub batch: usize,
    /// Of the LR images, a multiple of
    /// [`Settings::lr_size_multiple`](crate::model::Settings::lr_size_multiple).
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
