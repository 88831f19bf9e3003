//! Training: batches in, better parameters out.
//!
//! A [`Trainer`] is the model's objective and optimizer on a device. What it is
//! shown, in which order, and when its parameters are saved, is up to the caller.

mod batch;
mod trainer;

pub use crate::model::objective::Stage;
pub use batch::{Batch, NoisePredictorBatch};
pub use trainer::{Losses, Progress, StepReport, TrainError, Trainer, TrainerOptions};
