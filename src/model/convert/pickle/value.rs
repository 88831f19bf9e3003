//! What a pickle holds.

use super::{super::element::Element, Global};

/// Index of a value in its [`Pickle`].
///
/// Values refer to each other by index, so that shared, cyclic and deeply
/// nested ones are all plain data that no function has to recurse through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub(super) u32);

/// A value; strings are those of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`, a float, bytes, or an object of which nothing is needed.
    Inert(Option<Global>),
    Bool(bool),
    Int(i128),
    Str(&'a str),
    Tuple(Vec<ValueId>),
    List(Vec<ValueId>),
    Dict {
        /// Keys and values in the order they were set; a later one replaces
        /// an earlier one of the same key.
        items: Vec<(ValueId, ValueId)>,
        /// Is it an `OrderedDict`?
        ordered: bool,
    },
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Tensor),
}

/// A storage: a run of elements that tensors are views of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage<'a> {
    /// Names it among the file's storages.
    pub key: &'a str,
    pub element: Element,
    /// How many elements it has, by what the pickle says.
    pub len: usize,
    /// Where the view starts that files of PyTorch before 0.4 may name.
    pub start: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// A [`Value::Storage`].
    pub storage: ValueId,
    /// First element.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Elements from one index of a dimension to the next; as many as `shape`.
    pub strides: Vec<usize>,
}

/// A pickle's values.
#[derive(Debug)]
pub struct Pickle<'a> {
    pub(super) values: Vec<Value<'a>>,
    pub(super) root: ValueId,
    /// Bytes it takes up.
    pub(super) size: usize,
}

impl<'a> Pickle<'a> {
    /// What was pickled.
    pub fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    pub fn get(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    /// Number of bytes of the pickle, up to and with its last instruction.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Every storage that the pickle mentions.
    pub fn storages(&self) -> impl Iterator<Item = Storage<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(*storage),
            _ => None,
        })
    }

    /// The storage of a tensor.
    ///
    /// # Panics
    /// When the tensor is of another pickle.
    pub fn storage(&self, tensor: &Tensor) -> Storage<'a> {
        match self.get(tensor.storage) {
            Value::Storage(storage) => *storage,
            other => panic!("pickle: a tensor over {other:?}"),
        }
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
