//! The values that a pickle holds.

use safetensors::Dtype;

use super::Global;

/// Index of a value in its [`Pickle`].
///
/// Values refer to each other by index, so nothing recurses through shared,
/// cyclic or deeply nested ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub(super) u32);

#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`, a float, bytes, or an object that the conversion does not need.
    Inert(Option<Global>),
    Bool(bool),
    Int(i128),
    Str(&'a str),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    Dict {
        /// In the order they were set; a key may occur again.
        items: Vec<(ValueId, ValueId)>,
        ordered: bool,
    },
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Box<Tensor<'a>>),
}

/// A run of elements that tensors are views of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage<'a> {
    pub key: &'a str,
    pub dtype: Dtype,
    /// Number of elements that the pickle claims.
    pub len: usize,
    /// First element of the view that files of PyTorch before 0.4 may name.
    pub start: usize,
}

impl Storage<'_> {
    /// Number of bytes, `None` when it overflows.
    pub fn size(&self) -> Option<usize> {
        self.len.checked_mul(self.dtype.bitsize() / 8)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor<'a> {
    pub storage: Storage<'a>,
    /// Index of the first element in the storage.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// In elements, one for each dimension.
    pub strides: Vec<usize>,
}

#[derive(Debug)]
pub struct Pickle<'a> {
    pub(super) values: Vec<Value<'a>>,
    pub(super) root: ValueId,
    /// Bytes of the pickle, including its last instruction.
    pub size: usize,
}

impl<'a> Pickle<'a> {
    pub fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    pub fn get(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// The entries of a dictionary that have strings for keys.
    pub fn entries(&self, value: &Value<'a>) -> impl Iterator<Item = (&'a str, ValueId)> {
        let items = match value {
            Value::Dict { items, .. } => items.as_slice(),
            _ => &[],
        };
        items
            .iter()
            .filter_map(|&(key, value)| match self.get(key) {
                Value::Str(key) => Some((*key, value)),
                _ => None,
            })
    }
}
