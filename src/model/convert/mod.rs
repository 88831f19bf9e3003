//! Conversion of PyTorch checkpoints to model files.
//!
//! Reads what `torch.save` writes, in its zip form and in the legacy form that
//! the published SRDiff checkpoints have, without running anything that a
//! checkpoint's pickle asks for. Writes the safetensors file that
//! [`Model::open`](super::Model::open) reads.
//!
//! The model is looked for in the root and in the sections that trainers use
//! (`state_dict`, `model`, `ema`, ...), and under the prefixes that wrappers
//! add. Optimizer state is not read. Weight normalisation is folded. Schedule
//! buffers become settings.

mod checkpoint;
mod element;
mod error;
mod names;
mod options;
mod output;
mod pickle;
mod schedule;
mod serialize;
mod tensor;
mod torch_legacy;
mod torch_zip;

use std::{collections::HashMap, path::Path};

use super::{
    FloatType, Model, Settings, Weights,
    config::Config,
    file,
    layout::{self, Shapes},
    weight_norm::{Shaped, Stored, fold_weight_norm, pair_weight_norms},
};
use crate::diffusion::{BetaSchedule, MAX_TIMESTEPS};
use pickle::Pickle;
use schedule::Betas;
use serialize::{Encoded, serialize};
use tensor::Reader;

pub use checkpoint::CheckpointForm;
pub use error::{ConvertError, ConvertProblem};
pub use pickle::PickleError;
pub use schedule::ScheduleSource;

/// What a checkpoint cannot tell, and how to write the model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvertOptions {
    /// Number format to store weights in; f32 keeps them as they are.
    pub float_type: FloatType,
    /// Groups of the group norms (`gn_groups`), which a model that has any needs.
    pub groups: Option<usize>,
    /// Heads of the attention (`attn_heads`); 4 when absent.
    pub attention_heads: Option<usize>,
    /// Scale of the residual (`res_rescale`); 2 when absent.
    pub res_rescale: Option<f64>,
    /// Divisor of the enlarged LR (`lr_up_divisor`); 256 when absent, as the
    /// published checkpoints were trained with.
    pub lr_up_divisor: Option<f64>,
    /// Noise schedule; told from `betas` when absent, cosine when they are too.
    pub schedule: Option<BetaSchedule>,
    /// Timesteps, T; as many as there are `betas` when absent, or 100.
    pub timesteps: Option<usize>,
    /// Licence of the weights, best as an SPDX expression.
    pub license: Option<String>,
    /// How the weights were trained, in words.
    pub training: Option<String>,
    /// Where the weights are from; the checkpoint's file name when absent.
    pub source: Option<String>,
    /// Replace the output if it is there.
    pub force: bool,
}

/// What was converted.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertReport {
    /// Form of the checkpoint.
    pub form: CheckpointForm,
    /// Where in the checkpoint the model was, such as `state_dict/model`;
    /// empty for a plain state dict.
    pub section: String,
    /// Other places in the checkpoint that hold a model, which were left out.
    pub other_sections: Vec<String>,
    /// Schedule buffers, which became settings.
    pub dropped: Vec<String>,
    /// Convolutions whose weight normalisation was folded.
    pub folded: usize,
    /// How the noise schedule came to be known.
    pub schedule_source: ScheduleSource,
    /// Has the model attention of which the number of heads was not given?
    pub heads_assumed: bool,
    /// Settings of the model.
    pub settings: Settings,
    /// Tensors written.
    pub tensors: usize,
    /// Elements of all of them.
    pub parameters: u64,
    /// Bytes of the model file.
    pub file_size: u64,
}

impl ConvertReport {
    /// What the user should know beyond that it went well: sentences about
    /// what was assumed or left out.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.schedule_source {
            ScheduleSource::Assumed => notes.push(format!(
                "the checkpoint has no `betas`: a cosine schedule of {} timesteps was assumed; \
                 `--schedule` and `--timesteps` say otherwise",
                self.settings.timesteps
            )),
            ScheduleSource::GivenAgainstBetas => notes.push(
                "the checkpoint's `betas` are not those of the schedule that was given".to_owned(),
            ),
            ScheduleSource::Recognised | ScheduleSource::Given => {}
        }
        if let (true, Some(attention)) = (self.heads_assumed, self.settings.attention) {
            notes.push(format!(
                "the model has attention, and {} heads were assumed; \
                 `--attention-heads` says otherwise",
                attention.heads
            ));
        }
        if !self.other_sections.is_empty() {
            notes.push(format!(
                "the model in `{}` was taken; there are others in `{}`",
                self.section,
                self.other_sections.join("`, `")
            ));
        }
        notes
    }
}

/// Converts the checkpoint `input` to the model file `output`.
///
/// The input is mapped, so it must not be changed meanwhile. The output
/// appears whole and checked, or not at all.
///
/// # Errors
/// When the input cannot be read, asks for anything but tensors and plain
/// values, does not hold one whole model, or needs an option that was not
/// given; and when the output cannot be written, or is there and
/// [`ConvertOptions::force`] is not set.
pub fn convert(
    input: &Path,
    output: &Path,
    options: &ConvertOptions,
) -> Result<ConvertReport, ConvertError> {
    options::check(options)?;
    output::check(input, output, options.force)?;
    let map =
        file::map(input).map_err(|error| ConvertProblem::Read(error.to_string()).of(input))?;
    let source = match (&options.source, input.file_name()) {
        (Some(source), _) => source.clone(),
        (None, name) => name.unwrap_or_default().to_string_lossy().into_owned(),
    };
    let (bytes, report) =
        convert_bytes(&map, &source, options).map_err(|problem| match &problem {
            ConvertProblem::Settings(error) => {
                options::blamed(error, options).unwrap_or_else(|| problem.of(input))
            }
            _ => problem.of(input),
        })?;
    let model = Weights::from_bytes(bytes, &source)
        .and_then(Model::from_weights)
        .map_err(|error| ConvertProblem::Model(error.problem).of(input))?;
    output::write(output, model.weights().bytes(), options.force)?;
    Ok(report)
}

/// The model file for a checkpoint's bytes; its tensors are those of one whole
/// model, but they may hold NaN or infinities.
fn convert_bytes(
    bytes: &[u8],
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport), ConvertProblem> {
    checkpoint::open(bytes, |form, pickle, storages| {
        let found = names::find(pickle)?;
        let reader = &mut Reader::new(pickle, storages);

        let betas = read_betas(pickle, reader, &found)?;
        let (schedule, timesteps, schedule_source) = schedule::choose(betas.as_ref(), options)?;

        // Shapes first: no element is read of what is no model.
        let stored = pair_weight_norms(found.tensors)?;
        let shapes: Shapes = stored
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.shape().to_vec()))
            .collect();
        let settings = Settings::read(&shapes, &config(options, &schedule, timesteps))?;
        layout::check(&settings, &shapes)?;

        let mut folded = 0;
        let mut tensors = Vec::with_capacity(stored.len());
        for (name, tensor) in stored {
            let values = match &tensor {
                Stored::Plain(tensor) => reader.read_f32(&name, tensor)?,
                Stored::WeightNorm { g, v } => {
                    folded += 1;
                    let g = reader.read_f32(&name, g)?;
                    fold_weight_norm(&g, &reader.read_f32(&name, v)?)
                }
            };
            let data = encode(&name, &values, options.float_type)?;
            tensors.push((name, Encoded::new(tensor.shape(), data, options.float_type)));
        }

        let parameters = tensors
            .iter()
            .map(|(_, tensor)| (tensor.size / options.float_type.size()) as u64)
            .sum();
        let count = tensors.len();
        let bytes = serialize(tensors, metadata(&settings, source, options));
        let report = ConvertReport {
            form,
            section: found.section,
            other_sections: found.others,
            dropped: found.buffers.into_keys().collect(),
            folded,
            schedule_source,
            heads_assumed: settings.attention.is_some() && options.attention_heads.is_none(),
            settings,
            tensors: count,
            parameters,
            file_size: bytes.len() as u64,
        };
        Ok((bytes, report))
    })
}

fn read_betas(
    pickle: &Pickle,
    reader: &mut Reader,
    found: &names::Found,
) -> Result<Option<Betas>, ConvertProblem> {
    let Some(tensor) = found.buffers.get("betas") else {
        return Ok(None);
    };
    // Before any is read: each of a few bytes would become an f64.
    if tensor.len().is_none_or(|len| len > MAX_TIMESTEPS) {
        return Err(ConvertProblem::View {
            name: "betas".to_owned(),
            what: "has more elements than a noise schedule has timesteps",
        });
    }
    Ok(Some(Betas {
        values: reader.read("betas", tensor, Ok)?,
        element: pickle.storage(tensor).element,
    }))
}

/// The settings that tensors cannot tell.
fn config(options: &ConvertOptions, schedule: &BetaSchedule, timesteps: usize) -> Config {
    let mut config = Config {
        gn_groups: options.groups,
        attn_heads: options.attention_heads,
        timesteps: Some(timesteps),
        res_rescale: Some(options.res_rescale.unwrap_or(2.0)),
        lr_up_divisor: Some(options.lr_up_divisor.unwrap_or(256.0)),
        ..Config::default()
    };
    config.set_schedule(schedule);
    config
}

fn metadata(
    settings: &Settings,
    source: &str,
    options: &ConvertOptions,
) -> HashMap<String, String> {
    let mut metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("config".to_owned(), settings.to_config()),
        ("source".to_owned(), source.to_owned()),
    ]);
    for (key, value) in [
        ("license", &options.license),
        ("training", &options.training),
    ] {
        if let Some(value) = value {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    metadata
}

/// Writes a tensor's elements in the format asked for, in whose range they have to be.
fn encode(name: &str, values: &[f32], float_type: FloatType) -> Result<Vec<u8>, ConvertProblem> {
    let data = float_type.encode(values);
    match float_type.first_not_finite(&data) {
        Some(index) if values[index].is_finite() => Err(ConvertProblem::Range {
            name: name.to_owned(),
            value: values[index].into(),
            float_type,
        }),
        _ => Ok(data),
    }
}
