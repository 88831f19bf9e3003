//! Training: batches in, better parameters out.
//!
//! A [`Trainer`] is the model's objective and optimizer on a device. What it is
//! shown, in which order, and when its parameters are saved, is up to the caller.

mod averaged;
mod batch;
pub mod checkpoint;
pub mod data;
mod init;
mod rate;
mod trainer;

pub use crate::model::objective::Stage;
pub use averaged::{AveragedError, averaged};
pub use batch::{Batch, NoisePredictorBatch};
pub use init::{InitError, new_model};
pub use rate::{Decay, Rate};
pub use trainer::{Losses, Progress, StepReport, TrainError, Trainer, TrainerOptions};
