//! Training: folders of images in, better parameters out.
//!
//! A [`Trainer`] is the model's objective and optimizer on a device. A
//! [`Session`] is a whole training: what the trainer is shown ([`data`]), the
//! learning rate, and what is saved so that it can go on ([`Checkpoint`]). When it
//! saves, and what is told of it, is up to the caller.

mod batch;
mod checkpoint;
pub mod data;
mod distill;
pub mod events;
mod init;
mod means;
mod schedule;
mod session;
mod trainer;
pub mod validation;

pub use crate::model::objective::Stage;
pub use crate::upscale::{OpenDevice, OpenError};
pub use batch::{Batch, NoisePredictorBatch};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointProblem, Rules, Saved};
pub use distill::{Distillation, Teacher};
pub use init::{NewModel, NewModelError, initial_tensors};
pub use means::{Means, Smooth};
pub use schedule::{Decay, RateSchedule};
pub use session::{Session, SessionError, SessionOptions, Step, stage_name};
pub use trainer::{
    Losses, PreparedTrainer, Progress, StepReport, TrainError, Trainer, TrainerOptions,
};
