//! Why a checkpoint was not converted.

use super::pickle::PickleError;
use crate::model::{FloatType, ModelProblem, SettingsError};

/// A conversion that was not made; the output file is as it was before.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct ConvertError {
    /// The file that is in the way of it, or the option with its value.
    pub subject: String,
    /// What is wrong.
    pub problem: ConvertProblem,
}

/// What is wrong with a checkpoint, or with writing the model file.
#[derive(Debug, thiserror::Error)]
pub enum ConvertProblem {
    /// The checkpoint cannot be opened.
    #[error("cannot be read ({0}); check the path of the checkpoint")]
    Read(String),
    /// It is of another kind.
    #[error("is not a PyTorch checkpoint; `convert` reads what `torch.save` writes")]
    NotCheckpoint,
    /// It needs no conversion.
    #[error("is a safetensors file already; use it as a model file as it is")]
    Safetensors,
    /// Its zip archive cannot be read.
    #[error("its zip archive cannot be read ({0}); the file is damaged, fetch it again")]
    Archive(String),
    /// Its pickle was refused.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// Its storages are not what its pickle says.
    #[error("storage `{key}` {what}; the file is damaged, fetch it again")]
    Storage {
        /// Its name in the file.
        key: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Its numbers are big-endian.
    #[error("holds big-endian numbers; save it again on a little-endian machine")]
    BigEndian,
    /// It is a pretrained encoder without the rest.
    #[error(
        "is an RRDB encoder's pretraining checkpoint, which has no noise predictor (`denoise_fn.*`); convert the SRDiff checkpoint that was trained with this encoder"
    )]
    EncoderOnly,
    /// No SRDiff model is in it.
    #[error(
        "has no SRDiff model: no tensor named `denoise_fn.*` was found in the root, `state_dict`, `model` or `ema`; check that it is an SRDiff checkpoint"
    )]
    NoModel,
    /// It has group norms and the number of groups was not given.
    #[error(
        "has group norms (`{0}`), and a checkpoint does not tell the number of groups; give `gn_groups` of its training settings with `--groups`"
    )]
    GroupsNeeded(String),
    /// Its `betas` are of no known schedule.
    #[error(
        "`betas` ({0} of them) are of no known noise schedule (cosine with s = 0.008, or linear); give the schedule it was trained with by `--schedule`"
    )]
    ScheduleUnknown(usize),
    /// Timesteps were given that its `betas` contradict.
    #[error("{given} timesteps were asked for, but `betas` has {found}; leave `--timesteps` out")]
    Timesteps {
        /// As given in the options.
        given: usize,
        /// As found in the checkpoint.
        found: usize,
    },
    /// A view that its storage has no room for, or that repeats elements.
    #[error("tensor `{name}` {what}; the file is damaged, fetch it again")]
    View {
        /// The tensor.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Weights in a number format that they are never in.
    #[error(
        "tensor `{name}` is of type {found}, but weights are floating-point numbers; this is no SRDiff model"
    )]
    Type {
        /// The tensor.
        name: String,
        /// Its type.
        found: &'static str,
    },
    /// A value too large for the number format asked for.
    #[error(
        "tensor `{name}` holds {value:e}, which is beyond the range of {float_type}; store the weights in a wider format"
    )]
    Range {
        /// The tensor.
        name: String,
        /// The first such value.
        value: f64,
        /// The format.
        float_type: FloatType,
    },
    /// An option that no model, or not this one, can have.
    #[error("{0}")]
    Option(String),
    /// The settings do not suit the tensors.
    #[error(transparent)]
    Settings(SettingsError),
    /// The tensors do not make one whole model.
    #[error(transparent)]
    Model(#[from] ModelProblem),
    /// The model file is there already.
    #[error("exists already; choose another name or replace it with `--force`")]
    Exists,
    /// Input and output are one file.
    #[error("is the checkpoint itself; choose another name for the model file")]
    SameFile,
    /// The model file cannot be written.
    #[error("cannot be written ({0}); choose another place for the model file")]
    Write(String),
}

impl From<SettingsError> for ConvertProblem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::GroupsMissing(tensor) => Self::GroupsNeeded(tensor),
            other => Self::Settings(other),
        }
    }
}

impl ConvertProblem {
    /// Names the file it is a problem of.
    pub(super) fn of(self, file: &std::path::Path) -> ConvertError {
        ConvertError {
            subject: file.display().to_string(),
            problem: self,
        }
    }
}
