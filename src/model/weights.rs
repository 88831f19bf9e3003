//! The tensors of a safetensors file.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::{Deref, Range},
    path::Path,
};

use rayon::prelude::*;
use safetensors::SafeTensors;

use super::{
    FloatType, ModelError, ModelProblem, Settings, SettingsError, checksum,
    config::Config,
    file,
    layout::{self, Shapes},
    weight_norm::{Stored, fold_weight_norm, pair_weight_norms},
};

/// A tensor decoded to f32, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Size of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    pub values: Cow<'a, [f32]>,
}

/// The tensors of a safetensors file.
///
/// The file stays mapped. A tensor is decoded from f32, f16 or bf16 on request;
/// an f32 tensor is not copied if it is aligned in the file. A convolution under
/// weight normalisation (`weight_g`, `weight_v`) appears as its plain `weight`.
pub struct Weights {
    pub(super) bytes: Box<dyn Deref<Target = [u8]> + Send + Sync>,
    file: String,
    pub(super) metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Stored<Raw>>,
}

/// A tensor as a file stores it: a weight, or one half of a weight
/// normalisation.
pub(super) struct Part<'a> {
    pub name: String,
    pub float_type: FloatType,
    pub shape: Vec<usize>,
    pub bytes: Cow<'a, [u8]>,
}

/// A tensor where it lies in the file.
struct Raw {
    float: FloatType,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl Weights {
    /// Maps a model file.
    ///
    /// The file must not be changed or truncated while it is mapped.
    ///
    /// # Errors
    /// When it cannot be read, is not a whole safetensors file, stores a
    /// tensor in another format than f32, f16 or bf16, has half of a weight
    /// normalisation, or is not what its checksum says. A file without a
    /// checksum is read as it is.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::open_with_prefix(path, "")
    }

    /// Maps a file and takes the tensors whose names start with `prefix`, which
    /// is dropped.
    ///
    /// # Errors
    /// As [`Weights::open`], and when no name has the prefix.
    pub fn open_with_prefix(path: impl AsRef<Path>, prefix: &str) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let map =
            file::map(path).map_err(|error| ModelProblem::Read(error.to_string()).of(&file))?;
        Self::parse(map, &file, prefix, true)
    }

    /// Takes over the bytes of a model file; messages name it `label`.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn from_bytes(
        bytes: impl Deref<Target = [u8]> + Send + Sync + 'static,
        label: &str,
    ) -> Result<Self, ModelError> {
        Self::parse(bytes, label, "", true)
    }

    /// As [`from_bytes`](Self::from_bytes), of bytes that need not be compared
    /// with their checksum.
    pub(super) fn unverified(bytes: &'static [u8], label: &str) -> Result<Self, ModelError> {
        Self::parse(bytes, label, "", false)
    }

    fn parse(
        bytes: impl Deref<Target = [u8]> + Send + Sync + 'static,
        file: &str,
        prefix: &str,
        verifies: bool,
    ) -> Result<Self, ModelError> {
        let (metadata, tensors) =
            read_header(&bytes, prefix, verifies).map_err(|problem| problem.of(file))?;
        Ok(Self {
            bytes: Box::new(bytes),
            file: file.to_owned(),
            metadata,
            tensors,
        })
    }

    /// The file's path, or the label it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Each tensor's name, and what the file stores for it.
    pub(super) fn stored(&self) -> impl Iterator<Item = (&str, Vec<Part<'_>>)> {
        self.tensors.iter().map(|(name, stored)| {
            let parts = match stored {
                Stored::Plain(raw) => vec![self.part(name.clone(), raw)],
                Stored::WeightNorm { g, v } => vec![
                    self.part(format!("{name}_g"), g),
                    self.part(format!("{name}_v"), v),
                ],
            };
            (name.as_str(), parts)
        })
    }

    fn part<'a>(&'a self, name: String, raw: &'a Raw) -> Part<'a> {
        Part {
            name,
            float_type: raw.float,
            shape: raw.shape.clone(),
            bytes: self.bytes[raw.range.clone()].into(),
        }
    }

    /// Whether the header is as srdiff writes it to the last byte, with a checksum:
    /// of such a file, every damaged byte is noticed.
    pub(crate) fn has_own_header(&self) -> bool {
        let header = self.bytes.split_first_chunk().and_then(|(size, rest)| {
            let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
            rest.get(..size)
        });
        header.is_some_and(checksum::is_own_header)
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let stored = self.tensors.get(name)?;
        Some(&stored.shaped().shape)
    }

    /// A tensor as f32.
    ///
    /// # Errors
    /// When there is no tensor of that name.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, ModelError> {
        let missing = || ModelProblem::Missing(name.to_owned()).of(&self.file);
        let stored = self.tensors.get(name).ok_or_else(missing)?;
        Ok(Tensor {
            shape: stored.shaped().shape.clone(),
            values: self.decode(stored),
        })
    }

    /// A tensor with its [gate](layout::gate) multiplied in:
    /// `gate * conv(x) = conv'(x)`.
    ///
    /// # Errors
    /// When there is no tensor of that name, or no gate.
    pub(super) fn gated(&self, name: &str, gate: &str) -> Result<Tensor<'static>, ModelError> {
        let Tensor { shape, values } = self.tensor(gate)?;
        let [gate] = *values else {
            let problem = ModelProblem::Shape {
                name: gate.to_owned(),
                found: shape,
                expected: vec![1],
            };
            return Err(problem.of(&self.file));
        };
        let tensor = self.tensor(name)?;
        Ok(Tensor {
            values: tensor.values.iter().map(|value| value * gate).collect(),
            shape: tensor.shape,
        })
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
    /// Names the first tensor that fails.
    pub fn validate(&self, settings: &Settings) -> Result<(), ModelError> {
        layout::check(settings, &self.shapes())
            .and_then(|()| self.check_finite())
            .map_err(|problem| problem.of(&self.file))
    }

    pub(super) fn shapes(&self) -> Shapes {
        self.tensors
            .iter()
            .map(|(name, stored)| (name.clone(), stored.shaped().shape.clone()))
            .collect()
    }

    fn check_finite(&self) -> Result<(), ModelProblem> {
        let problem = self.tensors.par_iter().find_map_first(|(name, stored)| {
            let index = match stored {
                Stored::Plain(raw) => raw.float.not_finite(&self.bytes[raw.range.clone()])?,
                Stored::WeightNorm { .. } => {
                    let values = self.decode(stored);
                    values.iter().position(|value| !value.is_finite())?
                }
            };
            Some(ModelProblem::NotFinite {
                name: name.clone(),
                index,
                value: self.decode(stored)[index],
            })
        });
        problem.map_or(Ok(()), Err)
    }

    fn decode(&self, stored: &Stored<Raw>) -> Cow<'_, [f32]> {
        let values = |raw: &Raw| raw.float.decode(&self.bytes[raw.range.clone()]);
        match stored {
            Stored::Plain(raw) => values(raw),
            Stored::WeightNorm { g, v } => fold_weight_norm(&values(g), &values(v)).into(),
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

type Header = (HashMap<String, String>, BTreeMap<String, Stored<Raw>>);

fn read_header(bytes: &[u8], prefix: &str, verifies: bool) -> Result<Header, ModelProblem> {
    let (header, info) = SafeTensors::read_metadata(bytes)
        .map_err(|error| ModelProblem::Format(error.to_string()))?;
    let data = 8 + header;

    let mut raws = BTreeMap::new();
    for (full_name, info) in BTreeMap::from_iter(info.tensors()) {
        let Some(name) = full_name.strip_prefix(prefix) else {
            continue;
        };
        let Some(float) = FloatType::from_dtype(info.dtype) else {
            return Err(ModelProblem::Type {
                name: full_name,
                found: info.dtype.to_string(),
            });
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
    let stated = metadata.get(checksum::KEY).map(String::as_str);
    if verifies {
        checksum::verify(&bytes[8..data], &bytes[data..], stated)?;
    }
    Ok((metadata, pair_weight_norms(raws, |raw| &raw.shape)?))
}
