//! Why a training was not done, and the exit code that says so.

use crate::cli::failure::{named_as_flags, of_choice};
use srdiff::exec::{ExecError, PrepareError};
use srdiff::train::data::DataError;
use srdiff::train::validation::ValidationError;
use srdiff::train::{
    CheckpointError, CheckpointProblem, NewModelError, OpenError, SessionError, TrainError,
};
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum TrainFailure {
    #[error("{}", with_flags(&.0.to_string()))]
    New(#[from] NewModelError),
    #[error("{}", with_flags(&.0.to_string()))]
    Checkpoint(#[from] CheckpointError),
    #[error("{}", with_full_size(&.0.to_string()))]
    Data(#[from] DataError),
    #[error("{}", match .0 {
        TrainError::NoKernel { layer, reason } => {
            format!("this GPU cannot train '{layer}' ({reason}); use --device cpu")
        }
        error => error.to_string(),
    })]
    Train(#[from] TrainError),
    #[error("{}", match .0 {
        OpenError::Device(error) => of_choice(error),
        OpenError::Exec(error) => error.to_string(),
    })]
    Open(#[from] OpenError),
    #[error("{}: there is no checkpoint to go on from; leave --resume out", .0.display())]
    NoCheckpoint(PathBuf),
    /// A checkpoint that nobody asked to go on with.
    #[error(
        "{}: is there already; go on from it with --resume, or replace it with --force",
        .0.display()
    )]
    CheckpointExists(PathBuf),
    /// What a training that goes on would replace.
    #[error(
        "{}: is there already, and no training has made it; give the model file of the training, or replace it with --force",
        .0.display()
    )]
    NotTrained(PathBuf),
    #[error(
        "the training needs {needed} MiB, and {available} MiB are free; give a smaller --batch with --accumulate, a smaller --patch, or --recompute 4"
    )]
    Memory { needed: u64, available: u64 },
    /// The folder of events.
    #[error("{}: cannot be written ({}); give another folder", .0.display(), .1)]
    Events(PathBuf, String),
    #[error("{}", match error {
        // Names what it is about.
        ValidationError::Data(error) if !is_empty(error) => error.to_string(),
        ValidationError::Data(_) => {
            format!("{}: there are no images in it; give another folder", folder.display())
        }
        error => format!("{}: {error}", folder.display()),
    })]
    Validation {
        folder: PathBuf,
        error: ValidationError,
    },
    /// Steps after each other came to no numbers; `saved` is the step saved last.
    #[error("the gradients of {} were not finite; {}", match skipped {
        1 => format!("step {step}"),
        _ => format!("the last {skipped} steps up to {step}"),
    }, advice(*saved))]
    Diverged {
        step: u64,
        skipped: u64,
        saved: Option<u64>,
    },
    /// The averages came to none.
    #[error("after step {step}, the model gives no numbers; {}", advice(*saved))]
    NoNumbers { step: u64, saved: Option<u64> },
    /// A signal ended it, with this exit code.
    #[error("stopped after step {step}{}", match saved {
        Some(saved) if saved == step => "; --resume goes on".to_owned(),
        Some(saved) => {
            format!(", whose gradients are not finite; --resume goes on after step {saved}")
        }
        None => ", whose gradients are not finite; nothing was saved".to_owned(),
    })]
    Stopped {
        step: u64,
        saved: Option<u64>,
        exit_code: u8,
    },
    /// A signal ended it before anything was done.
    #[error("stopped before the first step")]
    NotStarted { exit_code: u8 },
}

impl From<SessionError> for TrainFailure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Train(error) => Self::Train(error),
            SessionError::Data(error) => Self::Data(error),
            SessionError::Checkpoint(error) => Self::Checkpoint(error),
        }
    }
}

impl TrainFailure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::New(_) => 2,
            Self::Checkpoint(error) => match error.problem {
                CheckpointProblem::Differs { .. } => 2,
                CheckpointProblem::Write(_) => 4,
                _ => 5,
            },
            Self::Data(DataError::Thread(_) | DataError::Worker | DataError::Jpeg(_)) => 1,
            Self::Data(DataError::NoMemory(_)) => 6,
            Self::Data(_) | Self::NoCheckpoint(_) => 3,
            Self::Train(error) => match error {
                TrainError::Options(_) | TrainError::Schedule(_) | TrainError::Sampler(_) => 2,
                TrainError::NoKernel { .. } => 7,
                TrainError::Exec(error) | TrainError::Prepare(PrepareError::Exec(error)) => {
                    of_device(error)
                }
                TrainError::Graph(_) | TrainError::Prepare(PrepareError::Plan(_)) => 101,
                TrainError::Parameter(_) => 5,
            },
            Self::Open(OpenError::Device(_)) => 7,
            Self::Open(OpenError::Exec(error)) => of_device(error),
            Self::CheckpointExists(_) | Self::NotTrained(_) | Self::Events(..) => 4,
            Self::Validation { error, .. } => match error {
                ValidationError::Data(_) => 3,
                ValidationError::NoMemory(_) => 6,
                _ => 1,
            },
            Self::Diverged { .. } | Self::NoNumbers { .. } => 1,
            Self::Memory { .. } => 6,
            Self::Stopped { exit_code, .. } | Self::NotStarted { exit_code } => *exit_code,
        }
    }
}

fn is_empty(error: &DataError) -> bool {
    matches!(error, DataError::NoImages(skipped) if skipped.is_empty())
}

/// What to do about a training that came to no numbers.
fn advice(saved: Option<u64>) -> String {
    let (saved, begin) = match saved {
        Some(step) => (
            format!("what was saved after step {step} is as it was"),
            "go on from it (--resume)",
        ),
        None => ("nothing was saved".to_owned(), "begin again"),
    };
    format!("{saved}; {begin} with a lower --rate, or with --precision f32")
}

fn of_device(error: &ExecError) -> u8 {
    match error {
        ExecError::OutOfMemory { .. } | ExecError::Limit { .. } => 6,
        _ => 1,
    }
}

/// The reason why an image is not trained on, in terms of the command's options.
pub fn with_full_size(message: &str) -> String {
    named_as_flags(message, &[("without `halve`", "with --full-size")])
}

/// Options as the library's messages name them are flags of the same name.
fn with_flags(message: &str) -> String {
    const FLAGS: [(&str, &str); 19] = [
        ("`hidden`", "--hidden"),
        ("`mults`", "--mults"),
        ("`features`", "--features"),
        ("`blocks`", "--blocks"),
        ("`scale`", "--scale"),
        ("`groups`", "--groups"),
        ("`stage`", "--stage"),
        ("`batch`", "--batch"),
        ("`accumulate`", "--accumulate"),
        ("`patch`", "--patch"),
        ("`seed`", "--seed"),
        ("`jpeg`", "--jpeg"),
        ("`noise`", "--noise"),
        ("`drawings`", "--drawings"),
        ("`student`", "--student-steps"),
        ("`teacher`", "--teacher"),
        ("`loss`", "--loss"),
        ("`halve` true, not false", "no --full-size"),
        ("`halve` false, not true", "--full-size"),
    ];
    named_as_flags(message, &FLAGS)
}
