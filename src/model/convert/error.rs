//! Why a checkpoint was not converted.

use safetensors::Dtype;
use zip::result::ZipError;

use super::pickle::PickleError;
use crate::atomic_file::Fault;
use crate::model::{FloatType, ModelError, ModelProblem, SettingsError, printable};

/// A failed conversion; the output file is as it was before.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct ConvertError {
    /// The file at fault, or the option with its value.
    pub subject: String,
    pub problem: ConvertProblem,
}

/// What is wrong with a checkpoint, the options, or the output.
#[derive(Debug, thiserror::Error)]
pub enum ConvertProblem {
    #[error("cannot be read ({0}); check the path of the checkpoint")]
    Read(String),
    #[error("is not a PyTorch checkpoint; `convert` reads what `torch.save` writes")]
    NotCheckpoint,
    #[error("its zip archive cannot be read ({0}); the file is damaged, fetch it again")]
    Archive(String),
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A storage is not what the pickle says.
    #[error("storage `{key}` {what}; the file is damaged, fetch it again")]
    Storage { key: String, what: &'static str },
    #[error("holds big-endian numbers; save it again on a little-endian machine")]
    BigEndian,
    #[error(
        "is an RRDB encoder's pretraining checkpoint, which has no noise predictor (`denoise_fn.*`); convert the SRDiff checkpoint that was trained with this encoder"
    )]
    EncoderOnly,
    #[error(
        "has no SRDiff model: no tensor named `denoise_fn.*` was found in the root, `state_dict`, `model` or `ema`; check that it is an SRDiff checkpoint"
    )]
    NoModel,
    #[error(
        "has group norms (`{0}`), and a checkpoint does not tell the number of groups; give `gn_groups` of its training settings with `groups`"
    )]
    GroupsNeeded(String),
    #[error(
        "`betas` ({0} of them) are of no known noise schedule (cosine with s = 0.008, or linear); give the schedule it was trained with by `schedule`"
    )]
    ScheduleUnknown(usize),
    #[error("{given} timesteps were asked for, but `betas` has {found}; leave `timesteps` out")]
    Timesteps { given: usize, found: usize },
    /// A tensor that its storage has no room for, or that repeats elements.
    #[error("tensor `{name}` {what}; the file is damaged, fetch it again")]
    View { name: String, what: &'static str },
    #[error(
        "tensor `{name}` is of type {found}, but weights are floating-point numbers; this is no SRDiff model"
    )]
    Type { name: String, found: Dtype },
    #[error(
        "tensor `{name}` holds {value:e}, which is beyond the range of {float_type}; {}",
        match float_type {
            FloatType::F32 => "no model's weights are as large, the file is damaged or its training diverged",
            _ => "store the weights in a wider format",
        }
    )]
    Range {
        name: String,
        value: f64,
        float_type: FloatType,
    },
    /// An option is out of range, or does not suit the checkpoint.
    #[error("{0}")]
    Option(String),
    #[error(transparent)]
    Settings(SettingsError),
    #[error(transparent)]
    Model(#[from] ModelProblem),
    #[error("exists already; choose another name or replace it with `overwrite`")]
    Exists,
    #[error("is the checkpoint itself; choose another name for the model file")]
    SameFile,
    #[error("cannot be written ({0}); choose another place for the model file")]
    Write(String),
}

impl ConvertProblem {
    pub(super) fn storage(key: &str, what: &'static str) -> Self {
        let key = printable(key);
        Self::Storage { key, what }
    }

    /// Names the file it is a problem of.
    pub(super) fn of(self, file: &std::path::Path) -> ConvertError {
        ConvertError {
            subject: file.display().to_string(),
            problem: self,
        }
    }
}

impl From<SettingsError> for ConvertProblem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::GroupsMissing(tensor) => Self::GroupsNeeded(tensor),
            other => Self::Settings(other),
        }
    }
}

impl From<ModelError> for ConvertProblem {
    fn from(error: ModelError) -> Self {
        Self::Model(error.problem)
    }
}

impl From<ZipError> for ConvertProblem {
    fn from(error: ZipError) -> Self {
        Self::Archive(error.to_string())
    }
}

impl From<Fault> for ConvertProblem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Exists => Self::Exists,
            fault => Self::Write(fault.to_string()),
        }
    }
}
