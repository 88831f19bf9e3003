//! Safetensors files as inputs: model files, which get a checksum or another
//! number format, and checkpoints' tensors.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use safetensors::SafeTensors;

use super::{
    CheckpointForm, ConvertOptions, ConvertProblem, ConvertReport, Result, ScheduleSource,
    checkpoint::Storages,
    convert_found, names,
    pickle::{Storage, Tensor},
    serialize,
};
use crate::model::{ModelProblem, Weights, checksum, layout, weights::Part};

/// Whether a safetensors file states a model's settings; none for other files.
///
/// # Errors
/// When it is a safetensors file, but not a whole one.
pub fn states_settings(path: &Path, bytes: &[u8]) -> Result<Option<bool>> {
    // A zip archive or a pickle, whatever its name.
    let is_torch = bytes.starts_with(b"PK") || bytes.starts_with(b"\x80");
    let is_named = path.extension().is_some_and(|end| end == "safetensors");
    let is_damaged = bytes.get(8) == Some(&b'{') || (is_named && !is_torch);
    match SafeTensors::read_metadata(bytes) {
        Ok((_, header)) => {
            let metadata = header.metadata().as_ref();
            Ok(Some(metadata.is_some_and(|m| m.contains_key("config"))))
        }
        Err(error) if is_damaged => Err(format_problem(&error)),
        Err(_) => Ok(None),
    }
}

fn format_problem(error: &safetensors::SafeTensorError) -> ConvertProblem {
    ModelProblem::Format(error.to_string()).into()
}

/// The model file for a checkpoint's tensors. Without a number format in the
/// options, they keep theirs.
pub fn convert_state_dict(
    bytes: &[u8],
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport)> {
    let (size, header) = SafeTensors::read_metadata(bytes).map_err(|e| format_problem(&e))?;
    let (text, data) = bytes[8..].split_at(size);
    let metadata = header.metadata().clone().unwrap_or_default();
    // Other tools may call something else so.
    let stated = metadata.get(checksum::KEY).map(String::as_str);
    let stated = stated.filter(|stated| stated.starts_with(checksum::PREFIX));
    checksum::verify(text, data, stated)?;

    // In order: of two names that are the same without prefixes, one is taken.
    let infos = BTreeMap::from_iter(header.tensors());
    let mut storages = HashMap::new();
    for (name, info) in &infos {
        let (start, end) = info.data_offsets;
        storages.insert(name.as_str(), &data[start..end]);
    }
    let tensors = infos.iter().map(|(name, info)| {
        let mut strides = vec![1usize; info.shape.len()];
        for axis in (1..info.shape.len()).rev() {
            // Of a tensor without elements it may be too large.
            strides[axis - 1] = strides[axis].saturating_mul(info.shape[axis]);
        }
        let tensor = Tensor {
            storage: Storage {
                key: name,
                dtype: info.dtype,
                len: info.shape.iter().product(),
                start: 0,
            },
            offset: 0,
            shape: info.shape.clone(),
            strides,
        };
        (name.as_str(), tensor)
    });
    let found = names::find_flat(tensors)?;
    let form = CheckpointForm::Safetensors;
    let storages = Storages::InMemory(storages);
    convert_found(found, storages, form, metadata, source, options)
}

/// The model file for the tensors of another. Without a number format in the
/// options, tensors are copied as they are.
pub fn convert(
    weights: &Weights,
    source: &str,
    options: &ConvertOptions,
) -> Result<(Vec<u8>, ConvertReport)> {
    let settings = weights.settings()?;
    let shapes = weights.shapes();
    layout::check(&settings, &shapes)?;

    let mut folded = 0;
    let mut tensors = Vec::new();
    for (name, parts) in weights.stored() {
        let Some(float_type) = options.float_type else {
            tensors.extend(parts);
            continue;
        };
        folded += usize::from(parts.len() > 1);
        let tensor = weights.tensor(name)?;
        tensors.push(Part {
            name: name.to_owned(),
            float_type,
            bytes: serialize::encode(name, &tensor.values, float_type)?.into(),
            shape: tensor.shape,
        });
    }

    let metadata = serialize::metadata(weights.metadata.clone(), &settings, source, options);
    let bytes = serialize::serialize(&tensors, metadata);
    let elements = shapes.values().map(|shape| shape.iter().product::<usize>());
    let report = ConvertReport {
        form: CheckpointForm::Safetensors,
        section: String::new(),
        other_sections: Vec::new(),
        completed_from: None,
        dropped: Vec::new(),
        folded,
        schedule_source: ScheduleSource::Stated,
        drops_head: false,
        heads_assumed: false,
        settings,
        tensors: tensors.len(),
        parameters: elements.map(|count| count as u64).sum(),
        file_size: bytes.len() as u64,
    };
    Ok((bytes, report))
}
