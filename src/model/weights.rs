//! A model's tensors, read from a safetensors file when asked for.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::Path,
};

use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use super::{
    FloatType, ModelError, ModelProblem, Settings, SettingsError,
    config::Config,
    file,
    layout::{self, Shapes},
    weight_norm::{Shaped, Stored, fold_weight_norm, pair_weight_norms},
};

/// A tensor decoded to f32, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Size of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, as many as the product of `shape`.
    pub values: Cow<'a, [f32]>,
}

/// The tensors of a safetensors file.
///
/// The file stays mapped; a tensor is decoded from f32, f16 or bf16 when it is
/// asked for, and one stored as f32 is not copied where its place in the file
/// allows. A convolution under weight normalisation (`weight_g`, `weight_v`)
/// appears as its plain `weight`.
pub struct Weights {
    bytes: Bytes,
    file: String,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Stored<Raw>>,
}

enum Bytes {
    Mapped(Mmap),
    Static(&'static [u8]),
    Owned(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A tensor where it lies in the file.
struct Raw {
    float: FloatType,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Shaped for Raw {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl Weights {
    /// Maps a model file.
    ///
    /// The file must not be changed or truncated while it is mapped.
    ///
    /// # Errors
    /// When it cannot be read, is not a whole safetensors file, stores a
    /// tensor in another format than f32, f16 or bf16, or has half of a
    /// weight normalisation.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::open_with_prefix(path, "")
    }

    /// Maps a file whose model tensors' names start with `prefix`, which is
    /// dropped; tensors without it are left out of account.
    ///
    /// # Errors
    /// As [`Weights::open`], and when no name has the prefix.
    pub fn open_with_prefix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let map =
            file::map(path).map_err(|error| ModelProblem::Read(error.to_string()).of(&file))?;
        Self::parse(Bytes::Mapped(map), &file, prefix)
    }

    /// Reads a model file that is part of the program; `label` stands for its
    /// name in messages.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn from_static(bytes: &'static [u8], label: &str) -> Result<Self, ModelError> {
        Self::parse(Bytes::Static(bytes), label, "")
    }

    /// Takes over the bytes of a model file; `label` stands for its name in
    /// messages.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn from_bytes(bytes: Vec<u8>, label: &str) -> Result<Self, ModelError> {
        Self::parse(Bytes::Owned(bytes), label, "")
    }

    fn parse(bytes: Bytes, file: &str, prefix: &str) -> Result<Self, ModelError> {
        let (metadata, tensors) =
            read_header(&bytes, prefix).map_err(|problem| problem.of(file))?;
        Ok(Self {
            bytes,
            file: file.to_owned(),
            metadata,
            tensors,
        })
    }

    /// The file's path, or the label it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A value of the file's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor, `None` when there is none of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Shaped::shape)
    }

    /// A tensor as f32.
    ///
    /// # Errors
    /// When there is no tensor of that name.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, ModelError> {
        match self.tensors.get(name) {
            Some(stored) => Ok(self.decode(stored)),
            None => Err(ModelProblem::Missing(name.to_owned()).of(&self.file)),
        }
    }

    /// Weight and bias of the attention's output convolution with the learnt
    /// gate multiplied in: `gate * conv(x) = conv'(x)`.
    ///
    /// # Errors
    /// When the model has no attention.
    pub fn attention_output(&self) -> Result<(Tensor<'static>, Tensor<'static>), ModelError> {
        let gate = "denoise_fn.mid_attn.fn.g";
        let Tensor { shape, values } = self.tensor(gate)?;
        let [gate] = *values else {
            let problem = ModelProblem::Shape {
                name: gate.to_owned(),
                found: shape,
                expected: vec![1],
            };
            return Err(problem.of(&self.file));
        };
        let gated = |name| {
            let tensor = self.tensor(name)?;
            Ok(Tensor {
                values: tensor.values.iter().map(|value| value * gate).collect(),
                shape: tensor.shape,
            })
        };
        Ok((
            gated("denoise_fn.mid_attn.fn.fn.to_out.weight")?,
            gated("denoise_fn.mid_attn.fn.fn.to_out.bias")?,
        ))
    }

    /// Reads the settings from the tensors' shapes and the metadata `config`.
    ///
    /// # Errors
    /// When they are missing, out of range, or contradict each other.
    pub fn settings(&self) -> Result<Settings, ModelError> {
        self.metadata("config")
            .ok_or(SettingsError::MissingConfig)
            .and_then(Config::parse)
            .and_then(|config| Settings::read(&self.shapes(), &config))
            .map_err(|error| ModelProblem::from(error).of(&self.file))
    }

    /// Checks that the tensors are exactly those of a model with `settings`
    /// (see [`super::expected_tensors`]), and that every element is finite.
    ///
    /// # Errors
    /// Names the first tensor for which that does not hold.
    pub fn validate(&self, settings: &Settings) -> Result<(), ModelError> {
        layout::check(settings, &self.shapes())
            .and_then(|()| self.check_finite())
            .map_err(|problem| problem.of(&self.file))
    }

    fn shapes(&self) -> Shapes {
        self.tensors
            .iter()
            .map(|(name, stored)| (name.clone(), stored.shape().to_vec()))
            .collect()
    }

    fn check_finite(&self) -> Result<(), ModelProblem> {
        let problem = self.tensors.par_iter().find_map_first(|(name, stored)| {
            let (index, value) = match stored {
                Stored::Plain(raw) => {
                    let index = raw.float.first_not_finite(&self.bytes[raw.range.clone()])?;
                    (index, self.raw_values(raw)[index])
                }
                Stored::WeightNorm { .. } => first_not_finite(&self.decode(stored).values)?,
            };
            Some(ModelProblem::NotFinite {
                name: name.clone(),
                index,
                value,
            })
        });
        problem.map_or(Ok(()), Err)
    }

    fn raw_values(&self, raw: &Raw) -> Cow<'_, [f32]> {
        raw.float.decode(&self.bytes[raw.range.clone()])
    }

    fn decode(&self, stored: &Stored<Raw>) -> Tensor<'_> {
        let values = match stored {
            Stored::Plain(raw) => self.raw_values(raw),
            Stored::WeightNorm { g, v } => {
                fold_weight_norm(&self.raw_values(g), &self.raw_values(v)).into()
            }
        };
        Tensor {
            shape: stored.shape().to_vec(),
            values,
        }
    }
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("file", &self.file)
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

/// Index and value of the first NaN or infinity.
pub(super) fn first_not_finite(values: &[f32]) -> Option<(usize, f32)> {
    let index = values.iter().position(|value| !value.is_finite())?;
    Some((index, values[index]))
}

type Header = (HashMap<String, String>, BTreeMap<String, Stored<Raw>>);

fn read_header(bytes: &[u8], prefix: &str) -> Result<Header, ModelProblem> {
    let (header, info) = SafeTensors::read_metadata(bytes)
        .map_err(|error| ModelProblem::Format(error.to_string()))?;
    let data = 8 + header;

    let mut raws = BTreeMap::new();
    for (full_name, info) in BTreeMap::from_iter(info.tensors()) {
        let Some(name) = full_name.strip_prefix(prefix) else {
            continue;
        };
        let float = match info.dtype {
            Dtype::F32 => FloatType::F32,
            Dtype::F16 => FloatType::F16,
            Dtype::BF16 => FloatType::Bf16,
            other => {
                return Err(ModelProblem::Type {
                    name: full_name,
                    found: other.to_string(),
                });
            }
        };
        let (start, end) = info.data_offsets;
        let raw = Raw {
            float,
            shape: info.shape.clone(),
            range: data + start..data + end,
        };
        raws.insert(name.to_owned(), raw);
    }
    if raws.is_empty() && !prefix.is_empty() {
        return Err(ModelProblem::Prefix(prefix.to_owned()));
    }
    let metadata = info.metadata().clone().unwrap_or_default();
    Ok((metadata, pair_weight_norms(raws)?))
}
