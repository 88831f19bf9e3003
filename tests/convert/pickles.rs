//! Checkpoints of the legacy form, written by hand.

use std::borrow::Borrow;

use half::{bf16, f16};
use srdiff::model::Weights;

use crate::files::le_bytes;

/// A storage class, and the bytes of a number in it.
pub type Format = (&'static str, fn(f64) -> Vec<u8>);

pub const F64: Format = ("DoubleStorage", |v| v.to_le_bytes().to_vec());
pub const F32: Format = ("FloatStorage", |v| (v as f32).to_le_bytes().to_vec());
pub const F16: Format = ("HalfStorage", |v| f16::from_f64(v).to_le_bytes().to_vec());
pub const BF16: Format = ("BFloat16Storage", |v| {
    bf16::from_f64(v).to_le_bytes().to_vec()
});

/// What a checkpoint holds under a name.
#[derive(Clone)]
pub enum Item {
    Tensor {
        class: &'static str,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
    Dict(Vec<(String, Item)>),
}

pub fn dict<K: Borrow<str>>(items: impl IntoIterator<Item = (K, Item)>) -> Item {
    let items = items.into_iter();
    Item::Dict(
        items
            .map(|(key, item)| (key.borrow().to_owned(), item))
            .collect(),
    )
}

/// A vector of numbers.
pub fn vector(values: &[f64], (class, bytes): Format) -> Item {
    Item::Tensor {
        class,
        shape: vec![values.len()],
        bytes: values.iter().flat_map(|&value| bytes(value)).collect(),
    }
}

pub fn tensor(shape: &[usize], values: &[f32]) -> Item {
    Item::Tensor {
        class: F32.0,
        shape: shape.to_vec(),
        bytes: le_bytes(values),
    }
}

/// The tensors of weights, each element changed by `change`.
pub fn state_dict(weights: &Weights, change: impl Fn(f32) -> f32) -> Vec<(String, Item)> {
    let item = |name: &str| {
        let found = weights.tensor(name).unwrap();
        let values: Vec<f32> = found.values.iter().map(|&value| change(value)).collect();
        (name.to_owned(), tensor(&found.shape, &values))
    };
    weights.names().map(item).collect()
}

/// The same with `prefix` before each name.
pub fn prefixed(prefix: &str, items: &[(String, Item)]) -> Vec<(String, Item)> {
    let items = items.iter();
    items
        .map(|(name, item)| (format!("{prefix}{name}"), item.clone()))
        .collect()
}

/// The file that `torch.save` writes of an object.
pub fn legacy(object: &Item) -> Vec<u8> {
    let mut storages = Storages::default();
    let object = [b"\x80\x02", &storages.pickled(object)[..], b"."].concat();
    let mut keys = b"\x80\x02](".to_vec();
    (0..storages.count).for_each(|key| keys.extend(text(&key.to_string())));
    let mut file = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    file.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    file.extend([object, keys, b"e.".to_vec(), storages.data].concat());
    file
}

#[derive(Default)]
struct Storages {
    count: usize,
    data: Vec<u8>,
}

impl Storages {
    fn pickled(&mut self, item: &Item) -> Vec<u8> {
        match item {
            Item::Dict(items) => {
                let entry = |(key, item): &(String, Item)| [text(key), self.pickled(item)].concat();
                let entries: Vec<Vec<u8>> = items.iter().map(entry).collect();
                [b"}(", &entries.concat()[..], b"u"].concat()
            }
            Item::Tensor {
                class,
                shape,
                bytes,
            } => {
                let key = self.count.to_string();
                self.count += 1;
                let len: usize = shape.iter().product();
                self.data.extend((len as u64).to_le_bytes());
                self.data.extend(bytes);
                pickled_tensor(&key, class, shape)
            }
        }
    }
}

/// A contiguous tensor, the whole of a storage.
fn pickled_tensor(key: &str, class: &str, shape: &[usize]) -> Vec<u8> {
    let strides: Vec<usize> = (1..=shape.len())
        .map(|axis| shape[axis..].iter().product())
        .collect();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text(key),
        text("cpu"),
        int(shape.iter().product()),
        b"tQ".to_vec(),
        int(0),
        tuple(shape),
        tuple(&strides),
        b"\x89NtR".to_vec(),
    ]
    .concat()
}

fn text(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X", &size[..], text.as_bytes()].concat()
}

fn int(value: usize) -> Vec<u8> {
    let value = u32::try_from(value).unwrap().to_le_bytes();
    [b"J", &value[..]].concat()
}

fn tuple(items: &[usize]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.iter().map(|&item| int(item)).collect();
    [b"(", &items.concat()[..], b"t"].concat()
}
