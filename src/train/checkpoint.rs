//! A training that can go on: one safetensors file with everything that the next
//! step depends on.

use super::{Means, Progress};
use crate::atomic_file;
use crate::model::convert::{ConvertOptions, ConvertProblem, assemble, tensor_file};
use crate::model::{Model, ModelError, ModelProblem, Settings, Weights, printable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The key of the metadata under which [`Saved`] is, as JSON.
const KEY: &str = "srdiff_training";
const MODEL: &str = "model.";
const VERSION: u32 = 1;
const NO_SETTINGS: &str = "its settings are those of no model";

/// How far a training is, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    version: u32,
    pub steps: u64,
    pub skipped: u64,
    pub scale: f32,
    pub at_scale: u64,
    /// Whether the scale follows the gradients' size, as in f16. Not in checkpoints
    /// of earlier versions.
    #[serde(default)]
    pub scales: Option<bool>,
    /// Seconds that it has taken.
    pub seconds: f64,
    /// Not in checkpoints of earlier versions.
    #[serde(default)]
    pub means: Means,
    /// What was measured last, and after which step. Not in checkpoints of earlier
    /// versions.
    #[serde(default)]
    pub measured: Option<(u64, String)>,
    /// What follows from the seed, so that batches go on as they would have.
    pub rules: Rules,
}

/// What decides the batches and tensors of a training: it goes on only with the
/// same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    pub stage: String,
    pub batch: usize,
    pub accumulate: usize,
    /// Side of HR patches.
    pub patch: usize,
    pub seed: u64,
    pub jpeg: Option<(u8, u8)>,
    pub noise: Option<(f64, f64)>,
    /// Not in checkpoints of earlier versions, which drew nothing.
    #[serde(default)]
    pub drawings: f64,
    pub halve: bool,
    pub images: usize,
    /// Of the images' names and sizes.
    pub fingerprint: String,
    /// Of the images' files. Not in checkpoints of earlier versions, which go on
    /// with any of these names and sizes.
    #[serde(default)]
    pub contents: Option<String>,
    /// The processes of a distillation, and the teacher's checksum.
    #[serde(default)]
    pub student: Option<String>,
    #[serde(default)]
    pub teacher: Option<String>,
    /// Of the denoiser, where one is trained. Not in checkpoints of earlier
    /// versions, which go on with any.
    #[serde(default)]
    pub loss: Option<String>,
}

/// A checkpoint in memory.
pub struct Checkpoint {
    pub saved: Saved,
    settings: Settings,
    license: Option<String>,
    training: Option<String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// A checkpoint that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {problem}", file.display())]
pub struct CheckpointError {
    pub file: PathBuf,
    pub problem: CheckpointProblem,
}

/// What is wrong with a checkpoint.
#[derive(Debug, Error)]
pub enum CheckpointProblem {
    #[error("cannot be read ({0}); give the file that the training saved")]
    Read(String),
    #[error(
        "is no whole checkpoint ({0}); give the file that the training saved, or begin anew if it is damaged"
    )]
    Format(String),
    #[error("is damaged; go on from another checkpoint, or begin anew")]
    Damaged,
    #[error("is not a checkpoint of srdiff's training; give the file that the training saved")]
    NotCheckpoint,
    #[error(
        "is a checkpoint of another version of srdiff; go on with that version, or begin anew from its model"
    )]
    Version,
    #[error("holds no model to go on with ({0}); begin anew")]
    Model(String),
    #[error("tensor `{0}` is missing or of another size; begin anew")]
    Tensor(String),
    /// The name of an option, and its values.
    #[error("was made with `{name}` {saved}, not {given}; go on with the same, or begin anew")]
    Differs {
        name: &'static str,
        saved: String,
        given: String,
    },
    #[error("cannot be written ({0}); free space on the disk, or choose another place")]
    Write(String),
}

impl CheckpointProblem {
    /// What keeps the tensors from being read. What a model's errors advise does
    /// not help with a checkpoint.
    fn reading(error: ModelError) -> Self {
        match error.problem {
            ModelProblem::Read(reason) => Self::Read(reason),
            ModelProblem::Format(reason) => Self::Format(printable(&reason)),
            ModelProblem::Type { name, found } => Self::Format(format!(
                "tensor `{}` is stored as {found}",
                printable(&name)
            )),
            ModelProblem::Checksum { .. } => Self::Damaged,
            ModelProblem::Prefix(_) | ModelProblem::Settings(_) => {
                Self::Model(NO_SETTINGS.to_owned())
            }
            _ => Self::NotCheckpoint,
        }
    }

    /// What keeps the tensors from being a model.
    fn model(problem: &ConvertProblem) -> Self {
        Self::Model(match problem {
            ConvertProblem::Model(ModelProblem::Missing(name)) => {
                format!("tensor `{name}` is missing")
            }
            ConvertProblem::Model(ModelProblem::Shape { name, .. }) => {
                format!("tensor `{name}` is of another size")
            }
            ConvertProblem::Model(ModelProblem::NotFinite { name, value, .. }) => {
                format!("tensor `{name}` holds {value}")
            }
            _ => NO_SETTINGS.to_owned(),
        })
    }

    fn of(self, file: &Path) -> CheckpointError {
        CheckpointError {
            file: file.to_owned(),
            problem: self,
        }
    }
}

impl Saved {
    pub(super) fn new(
        progress: Progress,
        scales: bool,
        seconds: f64,
        means: Means,
        measured: Option<(u64, String)>,
        rules: Rules,
    ) -> Self {
        Self {
            version: VERSION,
            steps: progress.steps,
            skipped: progress.skipped,
            scale: progress.scale,
            at_scale: progress.at_scale,
            scales: Some(scales),
            seconds,
            means,
            measured,
            rules,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            steps: self.steps,
            skipped: self.skipped,
            scale: self.scale,
            at_scale: self.at_scale,
        }
    }
}

impl Rules {
    /// The first difference: the name of an option, its value here and there.
    fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let range = |range: Option<(f64, f64)>| match range {
            Some((least, most)) => format!("{least}..{most}"),
            None => "off".to_owned(),
        };
        let jpeg = |rules: &Self| range(rules.jpeg.map(|(a, b)| (a.into(), b.into())));
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        // What is not known may be any.
        let images = |rules: &Self| match self.contents.as_ref().and(rules.contents.as_ref()) {
            Some(contents) => format!("{} ({}, {contents})", rules.images, rules.fingerprint),
            None => format!("{} ({})", rules.images, rules.fingerprint),
        };
        let values = |rules: &Self| {
            [
                ("stage", rules.stage.clone()),
                ("batch", rules.batch.to_string()),
                ("accumulate", rules.accumulate.to_string()),
                ("patch", rules.patch.to_string()),
                ("seed", rules.seed.to_string()),
                ("jpeg", jpeg(rules)),
                ("noise", range(rules.noise)),
                ("drawings", rules.drawings.to_string()),
                ("halve", rules.halve.to_string()),
                ("images", images(rules)),
                ("student", text(&rules.student)),
                ("teacher", text(&rules.teacher)),
                ("loss", text(&self.loss.as_ref().and(rules.loss.clone()))),
            ]
        };
        let mut pairs = values(self).into_iter().zip(values(other));
        pairs.find_map(|((name, a), (_, b))| (a != b).then_some((name, a, b)))
    }
}

impl Checkpoint {
    /// `model` holds all tensors of the model, the trained ones as they are now;
    /// `states` are what the optimizer knows besides.
    pub(super) fn new(
        saved: Saved,
        base: &Model,
        model: BTreeMap<String, Vec<f32>>,
        states: Vec<(String, Vec<usize>, Vec<f32>)>,
    ) -> Self {
        let model = model.into_iter().map(|(name, values)| {
            let shape = base.weights().shape(&name).unwrap_or_default().to_vec();
            (format!("{MODEL}{name}"), (shape, values))
        });
        let states = states.into_iter();
        Self {
            saved,
            settings: base.settings().clone(),
            license: base.license().map(str::to_owned),
            training: base.training().map(str::to_owned),
            tensors: model
                .chain(states.map(|(name, shape, values)| (name, (shape, values))))
                .collect(),
        }
    }

    /// # Errors
    /// When it cannot be written; a file in its place is as it was then.
    pub fn save(&self, file: &Path) -> Result<(), CheckpointError> {
        let saved = serde_json::to_string(&self.saved).expect("plain data");
        let texts = [
            (KEY, Some(saved)),
            ("config", Some(self.settings.to_config())),
            ("license", self.license.clone()),
            ("training", self.training.clone()),
        ];
        let metadata: HashMap<String, String> = texts
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        let tensors = self.tensors.iter();
        let tensors =
            tensors.map(|(name, (shape, values))| (name.clone(), shape.clone(), &**values));
        let bytes = tensor_file(tensors, metadata);
        atomic_file::write(file, &bytes, true)
            .map_err(|fault| CheckpointProblem::Write(fault.to_string()).of(file))
    }

    /// # Errors
    /// When the file cannot be read, is damaged, or is no checkpoint.
    pub fn open(file: &Path) -> Result<Self, CheckpointError> {
        let unreadable = |error| CheckpointProblem::reading(error).of(file);
        let weights = Weights::open(file).map_err(unreadable)?;
        let text = weights.metadata(KEY);
        let text = text.ok_or_else(|| CheckpointProblem::NotCheckpoint.of(file))?;
        let saved: Saved =
            serde_json::from_str(text).map_err(|_| CheckpointProblem::Version.of(file))?;
        if saved.version != VERSION {
            return Err(CheckpointProblem::Version.of(file));
        }
        // A checksum under a damaged name would not be compared.
        if !weights.has_own_header() {
            return Err(CheckpointProblem::Damaged.of(file));
        }
        let mut tensors = BTreeMap::new();
        for name in weights.names() {
            let tensor = weights.tensor(name).map_err(unreadable)?;
            let values = (tensor.shape, tensor.values.into_owned());
            tensors.insert(name.to_owned(), values);
        }
        let of_model = Weights::open_with_prefix(file, MODEL).map_err(unreadable)?;
        Ok(Self {
            saved,
            settings: of_model.settings().map_err(unreadable)?,
            license: weights.metadata("license").map(str::to_owned),
            training: weights.metadata("training").map(str::to_owned),
            tensors,
        })
    }

    /// The model as it was when it was saved.
    ///
    /// # Errors
    /// When its tensors are not those of a model.
    pub fn model(&self, file: &Path) -> Result<Model, CheckpointError> {
        let tensors = self.tensors.iter().filter_map(|(name, (_, values))| {
            Some((name.strip_prefix(MODEL)?.to_owned(), values.clone()))
        });
        let options = ConvertOptions {
            license: self.license.clone(),
            training: self.training.clone(),
            ..ConvertOptions::default()
        };
        let label = file.display().to_string();
        assemble(&label, &self.settings, &tensors.collect(), &options)
            .map_err(|error| CheckpointProblem::model(&error.problem).of(file))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Refuses to go on by other rules than before.
    ///
    /// # Errors
    /// When a rule differs.
    pub fn check(&self, file: &Path, rules: &Rules) -> Result<(), CheckpointError> {
        match self.saved.rules.difference(rules) {
            Some((name, saved, given)) => {
                let saved = printable(&saved);
                Err(CheckpointProblem::Differs { name, saved, given }.of(file))
            }
            None => Ok(()),
        }
    }

    /// A state of the optimizer, if it is there in this shape.
    pub(super) fn state(&self, name: &str, shape: &[usize]) -> Option<&[f32]> {
        let (found, values) = self.tensors.get(name)?;
        (found == shape).then_some(values)
    }

    /// Names a tensor that does not fit.
    pub(super) fn wrong(file: &Path, name: &str) -> CheckpointError {
        CheckpointProblem::Tensor(name.to_owned()).of(file)
    }
}
