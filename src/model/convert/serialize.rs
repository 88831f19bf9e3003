//! The bytes of a model file.

use std::collections::HashMap;

use safetensors::tensor::TensorView;

use super::{ConvertOptions, ConvertProblem, Result};
use crate::model::{FloatType, Settings, checksum, weights::Part};

/// A tensor's elements in the number format of the file.
///
/// # Errors
/// When a finite element is beyond the range of the format.
pub fn encode(name: &str, values: &[f32], float_type: FloatType) -> Result<Vec<u8>> {
    let data = float_type.encode(values);
    let stored = float_type.decode(&data);
    let overflows = |(value, stored): (&f32, &f32)| value.is_finite() && !stored.is_finite();
    match values.iter().zip(&*stored).position(overflows) {
        Some(index) => Err(ConvertProblem::Range {
            name: name.to_owned(),
            value: values[index].into(),
            float_type,
        }),
        None => Ok(data),
    }
}

/// The metadata of a model made of a file that has these already. They stay, but
/// for what the options say.
pub fn metadata(
    mut metadata: HashMap<String, String>,
    settings: &Settings,
    source: &str,
    options: &ConvertOptions,
) -> HashMap<String, String> {
    let source_given = options.source.is_some();
    for (key, value, is_given) in [
        ("format", Some("pt".to_owned()), false),
        ("config", Some(settings.to_config()), false),
        ("source", Some(source.to_owned()), source_given),
        ("license", options.license.clone(), true),
        ("training", options.training.clone(), true),
    ] {
        let is_there = metadata.contains_key(key);
        if let Some(value) = value.filter(|_| is_given || !is_there) {
            metadata.insert(key.to_owned(), value);
        }
    }
    metadata
}

/// Writes tensors and metadata, and the checksum of both.
pub fn serialize(tensors: &[Part], mut metadata: HashMap<String, String>) -> Vec<u8> {
    metadata.insert(checksum::KEY.to_owned(), checksum::placeholder());
    let views = tensors.iter().map(|tensor| {
        let dtype = tensor.float_type.dtype();
        let view = TensorView::new(dtype, tensor.shape.clone(), &tensor.bytes);
        (&tensor.name, view.expect("as many bytes as the shape says"))
    });
    let mut bytes = safetensors::serialize(views, Some(metadata))
        .unwrap_or_else(|error| panic!("convert: {} tensors: {error}", tensors.len()));
    finish_header(&mut bytes);
    bytes
}

/// Enters the checksum, and sorts the keys of the header, so that one checkpoint
/// always gives one file: the library writes the metadata in the random order of
/// its map.
fn finish_header(bytes: &mut [u8]) {
    let (size, rest) = bytes
        .split_first_chunk_mut()
        .expect("a safetensors file starts with the size of its header");
    let (header, data) = rest.split_at_mut(u64::from_le_bytes(*size) as usize);
    let mut sorted: serde_json::Value =
        serde_json::from_slice(header).expect("a safetensors file's header is JSON");
    let checksum = checksum::compute(sorted.clone(), data);
    sorted[checksum::METADATA][checksum::KEY] = checksum.into();
    sorted.sort_all_objects();
    let sorted = sorted.to_string();
    // The same keys and values take the same room; the rest is spaces.
    header[..sorted.len()].copy_from_slice(sorted.as_bytes());
}
