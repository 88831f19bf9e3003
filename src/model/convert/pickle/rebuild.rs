//! What the machine makes of the names it knows.

use super::{
    Global, PickleError, Storage, Tensor, Value, ValueId,
    machine::{Machine, Result},
};
use crate::model::printable;

/// Dimensions of a tensor; a convolution's weight has four.
const MAX_RANK: usize = 8;
/// Bytes of a storage's key, which is a number in text. A pickle may name one
/// key a million times, and each time it is hashed and compared.
const MAX_KEY: usize = 256;

impl<'a> Machine<'a> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let path = format!("{module}.{name}");
        match Global::find(&path) {
            Some(Global::Dtype) => self.push(Value::Inert(Some(Global::Dtype))),
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Forbidden(printable(&path))),
        }
    }

    pub(super) fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let &Value::Global(function) = self.value(function) else {
            return Err(self.malformed("a call of something that is no function"));
        };
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.malformed("a call without arguments"));
        };
        match (function, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict {
                items: Vec::new(),
                ordered: true,
            }),
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                match self.tensor([storage, offset, shape, strides]) {
                    Some(tensor) => self.push(Value::Tensor(Box::new(tensor))),
                    None => Err(self.malformed("a tensor that is no view of a storage")),
                }
            }
            (Global::RebuildParameter, &[tensor, ..]) => {
                if !matches!(self.value(tensor), Value::Tensor(_)) {
                    return Err(self.malformed("a parameter that is no tensor"));
                }
                self.push_again(tensor)
            }
            (Global::Size, &[sizes]) => self.push_again(sizes),
            (Global::Device | Global::NumpyScalar, [_, ..])
            | (Global::NumpyDtype | Global::Encode, [_, ..]) => {
                self.push(Value::Inert(Some(function)))
            }
            _ => Err(misused("calls", function.name())),
        }
    }

    /// Ignores attributes: a state dict carries version numbers of its
    /// modules, a NumPy dtype its byte order.
    pub(super) fn build(&mut self) -> Result<()> {
        self.pop()?;
        let global = match self.value(self.top()?) {
            Value::Dict { ordered: true, .. } | Value::Inert(Some(Global::NumpyDtype)) => {
                return Ok(());
            }
            Value::Global(global) | Value::Inert(Some(global)) => global.name(),
            Value::Tensor(_) => "torch.Tensor",
            Value::Storage(_) => "torch storage",
            _ => return Err(self.malformed("attributes set on a plain value")),
        };
        Err(misused("sets attributes of", global))
    }

    /// The error for an instance of a class, the last one on the stack.
    pub(super) fn instance(&self, opcode: u8, at: usize) -> PickleError {
        let class = self
            .stack
            .iter()
            .rev()
            .find_map(|&id| match self.value(id) {
                Value::Global(class) => Some(class.name()),
                _ => None,
            });
        match class {
            Some(class) => misused("makes an instance of", class),
            None => PickleError::Opcode { opcode, at },
        }
    }

    /// `("storage", class, key, device, length)`, in files of PyTorch before
    /// 0.4 with a sixth item: `None` or `(key, first element, length)` of a view.
    pub(super) fn persistent_id(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = self
            .storage(id)
            .ok_or_else(|| self.malformed("a reference to something that is no storage"))?;
        if storage.key.len() > MAX_KEY {
            return Err(PickleError::Limit("256 bytes in the key of a storage"));
        }
        self.push(Value::Storage(storage))
    }

    fn storage(&self, id: ValueId) -> Option<Storage<'a>> {
        let Value::Tuple(parts) = self.value(id) else {
            return None;
        };
        let (&[kind, class, key, _device, len], view) = parts.split_first_chunk()?;
        let (Value::Str("storage"), &Value::Global(Global::Storage(dtype)), &Value::Str(key)) =
            (self.value(kind), self.value(class), self.value(key))
        else {
            return None;
        };
        let start = match view {
            [] => 0,
            &[view] => match self.value(view) {
                Value::Inert(None) => 0,
                Value::Tuple(view) => self.index(*view.get(1)?)?,
                _ => return None,
            },
            _ => return None,
        };
        Some(Storage {
            key,
            dtype,
            len: self.index(len)?,
            start,
        })
    }

    fn tensor(&self, [storage, offset, shape, strides]: [ValueId; 4]) -> Option<Tensor<'a>> {
        let &Value::Storage(storage) = self.value(storage) else {
            return None;
        };
        let (shape, strides) = (self.indices(shape)?, self.indices(strides)?);
        (shape.len() == strides.len()).then_some(Tensor {
            storage,
            offset: self.index(offset)?.checked_add(storage.start)?,
            shape,
            strides,
        })
    }

    fn index(&self, id: ValueId) -> Option<usize> {
        match self.value(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    fn indices(&self, id: ValueId) -> Option<Vec<usize>> {
        match self.value(id) {
            Value::Tuple(items) if items.len() <= MAX_RANK => {
                items.iter().map(|&item| self.index(item)).collect()
            }
            _ => None,
        }
    }
}

fn misused(what: &'static str, global: &'static str) -> PickleError {
    PickleError::Misused { global, what }
}
