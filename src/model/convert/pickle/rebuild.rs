//! What the machine makes of the names it knows.

use super::{
    Global, PickleError, Storage, Tensor, Value, ValueId,
    machine::{Machine, Result, dict, path},
};

/// Most dimensions of a tensor; a convolution's weight has four.
const MAX_RANK: usize = 8;
/// Most bytes of a storage's key, which is a number in text. One string may
/// name a million storages, and each time its key is hashed and compared.
const MAX_KEY: usize = 256;

impl<'a> Machine<'a> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<()> {
        match Global::find(module, name) {
            Some(Global::Dtype) => self.push(Value::Inert(Some(Global::Dtype))),
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Forbidden(path(module, name))),
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
            (Global::OrderedDict, []) => self.push(dict(true)),
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor(storage, offset, shape, strides)?;
                self.push(Value::Tensor(tensor))
            }
            (Global::RebuildParameter, &[tensor, ..]) => {
                if !matches!(self.value(tensor), Value::Tensor(_)) {
                    return Err(self.malformed("a parameter that is no tensor"));
                }
                self.stack.push(tensor);
                Ok(())
            }
            (Global::Size, &[sizes]) => {
                self.stack.push(sizes);
                Ok(())
            }
            (
                Global::Device | Global::NumpyScalar | Global::NumpyDtype | Global::Encode,
                [_, ..],
            ) => self.push(Value::Inert(Some(function))),
            _ => Err(PickleError::Misused {
                global: function.name().to_owned(),
                what: "calls",
            }),
        }
    }

    /// Sets attributes, of which none is needed: a state dict carries version
    /// numbers of its modules, a numpy dtype its byte order.
    pub(super) fn build(&mut self) -> Result<()> {
        self.pop()?;
        let object = self.top()?;
        let global = match self.value(object) {
            Value::Dict { ordered: true, .. } | Value::Inert(Some(Global::NumpyDtype)) => {
                return Ok(());
            }
            Value::Global(global) | Value::Inert(Some(global)) => global.name(),
            Value::Tensor(_) => "torch.Tensor",
            Value::Storage(_) => "torch storage",
            _ => return Err(self.malformed("attributes set on a plain value")),
        };
        Err(PickleError::Misused {
            global: global.to_owned(),
            what: "sets attributes of",
        })
    }

    pub(super) fn instance_of(&self, class: Option<ValueId>, opcode: u8, at: usize) -> PickleError {
        match class.map(|class| self.value(class)) {
            Some(Value::Global(class)) => PickleError::Misused {
                global: class.name().to_owned(),
                what: "makes an instance of",
            },
            _ => PickleError::Opcode { opcode, at },
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
        let (Value::Str("storage"), &Value::Global(Global::Storage(element)), &Value::Str(key)) =
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
            element,
            len: self.index(len)?,
            start,
        })
    }

    fn tensor(
        &self,
        storage: ValueId,
        offset: ValueId,
        shape: ValueId,
        strides: ValueId,
    ) -> Result<Tensor> {
        let tensor = || {
            let Value::Storage(Storage { start, .. }) = self.value(storage) else {
                return None;
            };
            let (shape, strides) = (self.indices(shape)?, self.indices(strides)?);
            (shape.len() == strides.len()).then_some(Tensor {
                storage,
                offset: self.index(offset)?.checked_add(*start)?,
                shape,
                strides,
            })
        };
        tensor().ok_or_else(|| self.malformed("a tensor that is no view of a storage"))
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
