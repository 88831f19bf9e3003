//! Conversion of PyTorch checkpoints to model files, and of model files to
//! another number format or to ones with a checksum.
//!
//! Reads the zip form of `torch.save` and the legacy form of the published
//! SRDiff checkpoints, and runs nothing that a checkpoint's pickle asks for.
//!
//! The model may be in the root or in a section that trainers use
//! (`state_dict`, `model`, `ema`, ...), and its names may have the prefixes of
//! wrappers. Optimizer state is not read, weight normalisation is folded, and
//! schedule buffers become settings.

mod assemble;
mod checkpoint;
mod error;
mod names;
mod options;
mod pickle;
mod safetensors_file;
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
    layout::{self, Shapes, is_sr_head},
    weight_norm::{Stored, fold_weight_norm, pair_weight_norms},
    weights::Part,
};
use crate::atomic_file::{self, is_same_file};
use crate::diffusion::{BetaSchedule, MAX_TIMESTEPS};
use checkpoint::{Checkpoint, Storages};
use names::Found;
use schedule::Betas;
use tensor::Reader;

pub(crate) use assemble::tensor_file;
pub use assemble::{assemble, save};
pub use checkpoint::CheckpointForm;
pub use error::{ConvertError, ConvertProblem};
pub use pickle::PickleError;
pub use schedule::ScheduleSource;

type Result<T, E = ConvertProblem> = std::result::Result<T, E>;

/// The settings that a checkpoint does not tell, and how to write the model file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvertOptions {
    /// Number format of the weights. By default f32 for a checkpoint, and what
    /// a safetensors file has for one of those.
    pub float_type: Option<FloatType>,
    /// Groups of the group norms (`gn_groups`); needed if the model has any.
    pub groups: Option<usize>,
    /// Heads of the attention (`attn_heads`); default 4.
    pub attention_heads: Option<usize>,
    /// Scale of the residual (`res_rescale`); default 2.
    pub res_rescale: Option<f64>,
    /// Divisor of the enlarged LR (`lr_up_divisor`); default 256, with which
    /// the published checkpoints were trained.
    pub lr_up_divisor: Option<f64>,
    /// Noise schedule; by default that of `betas`, or cosine without them.
    pub schedule: Option<BetaSchedule>,
    /// Timesteps, T; by default the number of `betas`, or 100 without them.
    pub timesteps: Option<usize>,
    /// Licence of the weights, preferably an SPDX expression.
    pub license: Option<String>,
    pub training: Option<String>,
    /// Origin of the weights; default the checkpoint's file name.
    pub source: Option<String>,
    pub overwrite: bool,
}

/// What a checkpoint was, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvertReport {
    pub form: CheckpointForm,
    /// Where in the checkpoint the model was, such as `state_dict/model`;
    /// empty for a plain state dict.
    pub section: String,
    /// Other places in the checkpoint that hold a model, which were left out.
    pub other_sections: Vec<String>,
    /// The place of tensors that the model in `section` lacked: averages of
    /// what was trained, the rest being elsewhere.
    pub completed_from: Option<String>,
    /// Schedule buffers, which became settings.
    pub dropped: Vec<String>,
    /// Number of convolutions whose weight normalisation was folded.
    pub folded: usize,
    pub schedule_source: ScheduleSource,
    /// Whether the encoder's own super-resolution head was left out, being of
    /// another scale.
    pub drops_head: bool,
    /// Whether the model has attention and the options gave no number of heads.
    pub heads_assumed: bool,
    pub settings: Settings,
    pub tensors: usize,
    /// Number of elements of all tensors.
    pub parameters: u64,
    /// Bytes of the model file.
    pub file_size: u64,
}

impl ConvertReport {
    /// Sentences for the user about what was assumed or left out.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.schedule_source {
            ScheduleSource::Assumed => notes.push(format!(
                "the checkpoint has no `betas`: a cosine schedule of {} timesteps was assumed; \
                 `schedule` and `timesteps` say otherwise",
                self.settings.timesteps
            )),
            ScheduleSource::GivenAgainstBetas => notes.push(
                "the checkpoint's `betas` are not those of the schedule that was given".to_owned(),
            ),
            ScheduleSource::Recognised | ScheduleSource::Given | ScheduleSource::Stated => {}
        }
        if let (true, Some(attention)) = (self.heads_assumed, self.settings.attention) {
            notes.push(format!(
                "the model has attention, and {} heads were assumed; \
                 `attention_heads` says otherwise",
                attention.heads
            ));
        }
        if self.drops_head {
            notes.push(
                "the encoder's own super-resolution head, which diffusion does not need, \
                 is not one of this scale and was left out"
                    .to_owned(),
            );
        }
        if !self.other_sections.is_empty() {
            let others: Vec<String> = self.other_sections.iter().map(|s| place(s)).collect();
            notes.push(format!(
                "the model in {} was taken; there are others in {}",
                place(&self.section),
                others.join(", ")
            ));
        }
        if let Some(section) = &self.completed_from {
            notes.push(format!(
                "{} lacks some of the model's tensors; they were taken from {}",
                place(&self.section),
                place(section)
            ));
        }
        notes
    }
}

/// A section as notes name it.
fn place(section: &str) -> String {
    match section {
        "" => "the root".to_owned(),
        section => format!("`{section}`"),
    }
}

/// Converts the checkpoint `input` to the model file `output`.
///
/// The input may be a model file too, which gets a checksum and the number
/// format that the options ask for.
///
/// The input is mapped, so it must not be changed meanwhile. The output
/// appears whole and checked, or not at all.
///
/// # Errors
/// When the input cannot be read, asks for anything but tensors and plain
/// values, does not hold one whole model, or needs an option that was not
/// given; and when the output cannot be written, or exists and
/// [`ConvertOptions::overwrite`] is not set.
pub fn convert(
    input: &Path,
    output: &Path,
    options: &ConvertOptions,
) -> Result<ConvertReport, ConvertError> {
    options::check(options)?;
    if is_same_file(input, output) && output.is_file() {
        return Err(ConvertProblem::SameFile.of(output));
    }
    atomic_file::check(output, options.overwrite)
        .map_err(|fault| ConvertProblem::from(fault).of(output))?;

    let map =
        file::map(input).map_err(|error| ConvertProblem::Read(error.to_string()).of(input))?;
    let source = options.source.clone().unwrap_or_else(|| {
        let name = input.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    });
    let converted = match safetensors_file::states_settings(input, &map) {
        Ok(None) => convert_checkpoint(&map, &source, options),
        Ok(Some(false)) => safetensors_file::convert_state_dict(&map, &source, options),
        Ok(Some(true)) => {
            let weights = Weights::from_bytes(map, &source)
                .map_err(|error| ConvertProblem::from(error).of(input))?;
            options::check_unneeded(options)?;
            safetensors_file::convert(&weights, &source, options)
        }
        Err(problem) => Err(problem),
    };
    let (bytes, report) = converted.map_err(|problem| match &problem {
        ConvertProblem::Settings(error) => {
            options::blamed(error, options).unwrap_or_else(|| problem.of(input))
        }
        _ => problem.of(input),
    })?;
    let model = Weights::from_bytes(bytes, &source)
        .and_then(Model::from_weights)
        .map_err(|error| ConvertProblem::from(error).of(input))?;
    atomic_file::write(output, &model.weights().bytes, options.overwrite)
        .map_err(|fault| ConvertProblem::from(fault).of(output))?;
    Ok(report)
}

/// The model file for a checkpoint's bytes.
fn convert_checkpoint(
    bytes: &[u8],
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport)> {
    let mut unpacked = Vec::new();
    let Checkpoint {
        form,
        pickle,
        storages,
    } = checkpoint::open(bytes, &mut unpacked)?;
    let found = names::find(&pickle)?;
    convert_found(found, storages, form, HashMap::new(), source, options)
}

/// The model file for what was found in a checkpoint; its tensors are those of
/// one whole model, but they may hold NaN or infinities. It keeps `metadata`.
fn convert_found<'a>(
    found: Found<'a>,
    storages: Storages<'a>,
    form: CheckpointForm,
    metadata: HashMap<String, String>,
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport)> {
    let mut reader = Reader::new(storages);
    let betas = read_betas(&mut reader, &found)?;
    let (schedule, timesteps, schedule_source) = schedule::choose(betas.as_ref(), options)?;

    // Shapes first: elements are only read if they are a model's.
    let mut stored = pair_weight_norms(found.tensors, |tensor| &tensor.shape)?;
    let mut shapes: Shapes = stored
        .iter()
        .map(|(name, stored)| (name.clone(), stored.shaped().shape.clone()))
        .collect();
    let mut settings = Settings::read(&shapes, &config(options, &schedule, timesteps))?;
    let drops_head = layout::has_other_sr_head(&settings, &shapes)?;
    if drops_head {
        stored.retain(|name, _| !is_sr_head(name));
        shapes.retain(|name, _| !is_sr_head(name));
        settings.has_sr_head = false;
    }
    layout::check(&settings, &shapes)?;

    let mut folded = 0;
    let mut parameters = 0;
    let mut tensors = Vec::with_capacity(stored.len());
    for (name, stored) in stored {
        let values = match &stored {
            Stored::Plain(tensor) => reader.read_f32(&name, tensor)?,
            Stored::WeightNorm { g, v } => {
                folded += 1;
                let g = reader.read_f32(&name, g)?;
                fold_weight_norm(&g, &reader.read_f32(&name, v)?)
            }
        };
        parameters += values.len() as u64;
        let float_type = options.float_type.unwrap_or_else(|| match form {
            CheckpointForm::Safetensors => stored.shaped().float_type(),
            _ => FloatType::default(),
        });
        tensors.push(Part {
            bytes: serialize::encode(&name, &values, float_type)?.into(),
            name,
            float_type,
            shape: stored.shaped().shape.clone(),
        });
    }
    let metadata = serialize::metadata(metadata, &settings, source, options);
    let bytes = serialize::serialize(&tensors, metadata);
    let report = ConvertReport {
        form,
        section: found.section,
        other_sections: found.others,
        completed_from: found.completed_from,
        dropped: found.buffers.into_keys().collect(),
        folded,
        schedule_source,
        drops_head,
        heads_assumed: settings.attention.is_some() && options.attention_heads.is_none(),
        settings,
        tensors: tensors.len(),
        parameters,
        file_size: bytes.len() as u64,
    };
    Ok((bytes, report))
}

fn read_betas<'a>(reader: &mut Reader<'a>, found: &Found<'a>) -> Result<Option<Betas>> {
    let Some(tensor) = found.buffers.get("betas") else {
        return Ok(None);
    };
    // A few bytes may claim any number of them.
    if tensor.len().is_none_or(|len| len > MAX_TIMESTEPS) {
        return Err(ConvertProblem::View {
            name: "betas".to_owned(),
            what: "has more elements than a noise schedule has timesteps",
        });
    }
    Ok(Some(Betas {
        values: reader.read("betas", tensor)?.collect(),
        dtype: tensor.storage.dtype,
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
