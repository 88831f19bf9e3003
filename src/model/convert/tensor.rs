//! The elements of a checkpoint's tensors.

use std::{borrow::Cow, collections::HashMap};

use half::{bf16, f16};
use safetensors::Dtype;

use super::{
    ConvertProblem, Result,
    checkpoint::Storages,
    pickle::{Storage, Tensor},
};
use crate::model::FloatType;

impl Tensor<'_> {
    /// Number of elements, `None` when it overflows.
    pub fn len(&self) -> Option<usize> {
        let mut sizes = self.shape.iter();
        sizes.try_fold(1usize, |product, &size| product.checked_mul(size))
    }

    /// The format of its elements, if weights are stored in it, else f32.
    pub fn float_type(&self) -> FloatType {
        FloatType::from_dtype(self.storage.dtype).unwrap_or_default()
    }

    fn last_index(&self) -> Option<usize> {
        let mut axes = self.shape.iter().zip(&self.strides);
        axes.try_fold(self.offset, |index, (&size, &stride)| {
            index.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
        })
    }

    /// Index in the storage of the element at row-major position `position`.
    fn index(&self, mut position: usize) -> usize {
        let mut index = self.offset;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            index += position % size * stride;
            position /= size;
        }
        index
    }
}

pub struct Reader<'a> {
    storages: Storages<'a>,
    /// Elements of each storage that tensors were made of. No more are given
    /// out than there are, so a small file cannot ask for a large model.
    used: HashMap<&'a str, usize>,
    /// The storage read last: flattened models keep many tensors in one.
    cache: Option<(&'a str, Cow<'a, [u8]>)>,
}

impl<'a> Reader<'a> {
    pub fn new(storages: Storages<'a>) -> Self {
        Self {
            storages,
            used: HashMap::new(),
            cache: None,
        }
    }

    /// The elements of a tensor, row-major.
    pub fn read(&mut self, name: &str, tensor: &Tensor<'a>) -> Result<impl Iterator<Item = f64>> {
        let Storage { key, dtype, .. } = tensor.storage;
        let read = reader(dtype).ok_or_else(|| ConvertProblem::Type {
            name: name.to_owned(),
            found: dtype,
        })?;
        let len = self.check(tensor).map_err(|what| ConvertProblem::View {
            name: name.to_owned(),
            what,
        })?;
        if !matches!(self.cache, Some((cached, _)) if cached == key) {
            // Frees the last one first.
            self.cache = None;
            self.cache = Some((key, self.storages.read(&tensor.storage)?));
        }
        let (_, data) = self.cache.as_ref().expect("just read");
        let size = dtype.bitsize() / 8;
        Ok((0..len).map(move |position| read(&data[tensor.index(position) * size..][..size])))
    }

    /// The elements of a tensor, row-major, as f32.
    pub fn read_f32(&mut self, name: &str, tensor: &Tensor<'a>) -> Result<Vec<f32>> {
        let narrow = |value: f64| {
            let narrow = value as f32;
            if value.is_finite() && narrow.is_infinite() {
                return Err(ConvertProblem::Range {
                    name: name.to_owned(),
                    value,
                    float_type: FloatType::F32,
                });
            }
            Ok(narrow)
        };
        self.read(name, tensor)?.map(narrow).collect()
    }

    /// Number of elements of a tensor that lies within its storage.
    fn check(&mut self, tensor: &Tensor<'a>) -> Result<usize, &'static str> {
        let storage = &tensor.storage;
        let used = self.used.entry(storage.key).or_default();
        let twice = "uses elements of its storage twice";
        let len = tensor.len().ok_or(twice)?;
        let sum = used.checked_add(len);
        *used = sum.filter(|&sum| sum <= storage.len).ok_or(twice)?;
        match tensor.last_index() {
            _ if len == 0 => Ok(0),
            Some(last) if last < storage.len => Ok(len),
            _ => Err("reaches beyond the end of its storage"),
        }
    }
}

/// Reads one element of a floating-point format; `None` for other formats,
/// which weights are not kept in.
fn reader(dtype: Dtype) -> Option<fn(&[u8]) -> f64> {
    fn bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().expect("the bytes of one element")
    }
    match dtype {
        Dtype::F16 => Some(|b| f16::from_le_bytes(bytes(b)).into()),
        Dtype::BF16 => Some(|b| bf16::from_le_bytes(bytes(b)).into()),
        Dtype::F32 => Some(|b| f32::from_le_bytes(bytes(b)).into()),
        Dtype::F64 => Some(|b| f64::from_le_bytes(bytes(b))),
        _ => None,
    }
}
