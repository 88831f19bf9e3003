//! The bytes of a model file.

use std::{borrow::Cow, cell::Cell, collections::HashMap};

use safetensors::{Dtype, View};

use crate::model::FloatType;

/// A tensor of the model file. Its data are taken once, and let go of as soon
/// as they are in the file: the model is not in memory twice.
pub struct Encoded {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes of the data.
    pub size: usize,
    data: Cell<Option<Vec<u8>>>,
}

impl Encoded {
    pub fn new(shape: &[usize], data: Vec<u8>, float_type: FloatType) -> Self {
        Self {
            dtype: match float_type {
                FloatType::F32 => Dtype::F32,
                FloatType::F16 => Dtype::F16,
                FloatType::Bf16 => Dtype::BF16,
            },
            shape: shape.to_vec(),
            size: data.len(),
            data: Cell::new(Some(data)),
        }
    }
}

impl View for Encoded {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = self.data.take();
        Cow::Owned(data.unwrap_or_else(|| panic!("convert: {:?} taken twice", self.shape)))
    }

    fn data_len(&self) -> usize {
        self.size
    }
}

/// The bytes of a model file.
pub fn serialize(tensors: Vec<(String, Encoded)>, metadata: HashMap<String, String>) -> Vec<u8> {
    let count = tensors.len();
    let mut bytes = safetensors::serialize(tensors, Some(metadata))
        .unwrap_or_else(|error| panic!("convert: {count} tensors: {error}"));
    sort_header(&mut bytes);
    bytes
}

/// Puts the keys of the header in order, so that one checkpoint always gives
/// one file: the library writes the metadata in the random order of its map.
fn sort_header(bytes: &mut [u8]) {
    let (size, rest) = bytes
        .split_first_chunk_mut()
        .expect("a safetensors file starts with the size of its header");
    let header = &mut rest[..u64::from_le_bytes(*size) as usize];
    let sorted: serde_json::Value =
        serde_json::from_slice(header).expect("a safetensors file's header is JSON");
    let sorted = sorted.to_string();
    // The same keys and values take the same room; the rest is spaces.
    header[..sorted.len()].copy_from_slice(sorted.as_bytes());
}
