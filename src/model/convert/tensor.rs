//! The elements of a tensor that is a view of a storage.

use std::collections::HashMap;

use super::{
    ConvertProblem,
    checkpoint::Storages,
    pickle::{Pickle, Storage, Tensor, printable},
};
use crate::model::{FloatType, weight_norm::Shaped};

impl Shaped for Tensor {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
}

impl Tensor {
    /// Number of elements, `None` when it is beyond any memory.
    pub fn len(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size))
    }

    /// Index of its last element in the storage.
    fn last_index(&self) -> Option<usize> {
        self.shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |index, (&size, &stride)| {
                index.checked_add(size.checked_sub(1)?.checked_mul(stride)?)
            })
    }

    /// Indices of its elements in the storage, row-major.
    fn indices(&self) -> impl Iterator<Item = usize> {
        let mut position = vec![0; self.shape.len()];
        let mut next = (!self.shape.contains(&0)).then_some(self.offset);
        std::iter::from_fn(move || {
            let index = next?;
            next = None;
            let mut ahead = index;
            for axis in (0..position.len()).rev() {
                if position[axis] + 1 < self.shape[axis] {
                    position[axis] += 1;
                    next = Some(ahead + self.strides[axis]);
                    break;
                }
                ahead -= position[axis] * self.strides[axis];
                position[axis] = 0;
            }
            Some(index)
        })
    }
}

/// Reads tensors from a checkpoint's storages.
pub struct Reader<'r, 'a, 's> {
    pickle: &'r Pickle<'a>,
    storages: Storages<'s>,
    /// Elements of each storage that tensors were made of. No more are given
    /// out than there are, so that a small file cannot ask for a large model.
    used: HashMap<&'a str, usize>,
    /// The storage read last: flattened models keep many tensors in one.
    cache: Option<(Storage<'a>, Vec<u8>)>,
}

impl<'r, 'a, 's> Reader<'r, 'a, 's> {
    pub fn new(pickle: &'r Pickle<'a>, storages: Storages<'s>) -> Self {
        Self {
            pickle,
            storages,
            used: HashMap::new(),
            cache: None,
        }
    }

    /// The elements of a tensor, row-major, as f32.
    pub fn read_f32(&mut self, name: &str, tensor: &Tensor) -> Result<Vec<f32>, ConvertProblem> {
        self.read(name, tensor, |value| {
            let narrow = value as f32;
            if value.is_finite() && narrow.is_infinite() {
                return Err(ConvertProblem::Range {
                    name: name.to_owned(),
                    value,
                    float_type: FloatType::F32,
                });
            }
            Ok(narrow)
        })
    }

    /// The elements of a tensor, row-major, each after `convert`.
    pub fn read<T>(
        &mut self,
        name: &str,
        tensor: &Tensor,
        convert: impl Fn(f64) -> Result<T, ConvertProblem>,
    ) -> Result<Vec<T>, ConvertProblem> {
        let storage = self.pickle.storage(tensor);
        let element = storage.element;
        let read = element.reader().ok_or_else(|| ConvertProblem::Type {
            name: name.to_owned(),
            found: element.name(),
        })?;
        self.check(name, tensor, &storage)?;
        if !matches!(&self.cache, Some((cached, _)) if cached.key == storage.key) {
            // Let go of one before the next is there.
            self.cache = None;
            let data = self.storages.read(&storage)?.into_owned();
            self.cache = Some((storage, data));
        }
        let (cached, data) = self.cache.as_ref().expect("just read");
        if (cached.element, cached.len) != (element, storage.len) {
            return Err(ConvertProblem::Storage {
                key: printable(storage.key),
                what: "is described in two ways",
            });
        }
        let size = element.size();
        tensor
            .indices()
            .map(|index| convert(read(&data[index * size..][..size])))
            .collect()
    }

    fn check(
        &mut self,
        name: &str,
        tensor: &Tensor,
        storage: &Storage<'a>,
    ) -> Result<(), ConvertProblem> {
        let problem = |what| ConvertProblem::View {
            name: name.to_owned(),
            what,
        };
        let used = self.used.entry(storage.key).or_default();
        *used = tensor
            .len()
            .and_then(|len| used.checked_add(len))
            .filter(|&used| used <= storage.len)
            .ok_or_else(|| problem("uses elements of its storage twice"))?;
        match tensor.last_index() {
            Some(last) if last < storage.len => Ok(()),
            None if tensor.len() == Some(0) => Ok(()),
            _ => Err(problem("reaches beyond the end of its storage")),
        }
    }
}
