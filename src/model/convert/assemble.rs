//! Model files of tensors in memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::{ConvertError, ConvertOptions, ConvertProblem, Result, serialize};
use crate::atomic_file;
use crate::model::{FloatType, Model, ModelProblem, Settings, Weights, layout, weights::Part};

/// A model of these tensors, with the number format, licence and other texts of
/// the options; messages name it `label`.
///
/// # Errors
/// When the settings are those of no model, a tensor is missing, has another
/// number of elements, is beyond the range of the number format or not finite.
pub fn assemble(
    label: &str,
    settings: &Settings,
    tensors: &BTreeMap<String, Vec<f32>>,
    options: &ConvertOptions,
) -> Result<Model, ConvertError> {
    let of = |problem: ConvertProblem| problem.of(Path::new(label));
    let parts = parts(settings, tensors, options).map_err(of)?;
    let source = options.source.as_deref().unwrap_or(label);
    let metadata = serialize::metadata(HashMap::new(), settings, source, options);
    Weights::from_bytes(serialize::serialize(&parts, metadata), label)
        .and_then(Model::from_weights)
        .map_err(|error| of(error.into()))
}

fn parts(
    settings: &Settings,
    tensors: &BTreeMap<String, Vec<f32>>,
    options: &ConvertOptions,
) -> Result<Vec<Part<'static>>> {
    let float_type = options.float_type.unwrap_or_default();
    let expected = layout::expected(settings).map_err(ModelProblem::Graph)?;
    let part = |(name, shape): (String, Vec<usize>)| {
        let Some(values) = tensors.get(&name) else {
            return Err(ModelProblem::Missing(name).into());
        };
        if values.len() != shape.iter().product::<usize>() {
            let found = vec![values.len()];
            let expected = shape;
            return Err(ModelProblem::Shape {
                name,
                found,
                expected,
            }
            .into());
        }
        Ok(Part {
            bytes: serialize::encode(&name, values, float_type)?.into(),
            name,
            float_type,
            shape,
        })
    };
    expected.into_iter().map(part).collect()
}

/// Writes the file of a model; it appears whole or not at all.
///
/// # Errors
/// When it cannot be written, or is there already and not to be overwritten.
pub fn save(model: &Model, path: &Path, overwrite: bool) -> Result<(), ConvertError> {
    atomic_file::write(path, &model.weights().bytes, overwrite)
        .map_err(|fault| ConvertProblem::from(fault).of(path))
}

/// A safetensors file of f32 tensors, with a checksum like that of model files.
pub(crate) fn tensor_file<'a>(
    tensors: impl IntoIterator<Item = (String, Vec<usize>, &'a [f32])>,
    metadata: HashMap<String, String>,
) -> Vec<u8> {
    let part = |(name, shape, values): (String, Vec<usize>, &[f32])| Part {
        name,
        float_type: FloatType::F32,
        shape,
        bytes: FloatType::F32.encode(values).into(),
    };
    let parts: Vec<Part> = tensors.into_iter().map(part).collect();
    serialize::serialize(&parts, metadata)
}
