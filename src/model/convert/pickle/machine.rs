//! The pickle machine: its instructions, stack and memo.

use std::collections::HashMap;

use super::{Pickle, PickleError, Value, ValueId, opcodes as op};
use crate::model::printable;

/// Instructions of one pickle. A checkpoint of a thousand tensors with its
/// optimizer has about 100,000. Every instruction takes a bounded amount of
/// memory, so this limit bounds all memory.
const MAX_INSTRUCTIONS: usize = 1 << 21;

pub(super) type Result<T> = std::result::Result<T, PickleError>;

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// When it is not a whole pickle, exceeds a limit, or asks for anything but
/// containers, plain values and tensors.
pub fn load(bytes: &[u8]) -> Result<Pickle<'_>> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_INSTRUCTIONS {
        let at = machine.at;
        let opcode = machine.byte()?;
        if opcode == op::STOP {
            return Ok(Pickle {
                root: machine.pop()?,
                values: machine.values,
                size: machine.at,
            });
        }
        machine.step(opcode, at)?;
    }
    Err(PickleError::Limit("2 million instructions"))
}

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    pub(super) stack: Vec<ValueId>,
    marks: Vec<usize>,
    memo: HashMap<usize, ValueId>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8, at: usize) -> Result<()> {
        match opcode {
            op::PROTO => match self.byte()? {
                2..=5 => Ok(()),
                _ => Err(self.malformed("an unknown protocol")),
            },
            // A frame is a hint for buffered reading.
            op::FRAME => self.take(8).map(drop),

            op::NONE => self.push(Value::Inert(None)),
            op::NEWTRUE => self.push(Value::Bool(true)),
            op::NEWFALSE => self.push(Value::Bool(false)),
            op::BININT1 => self.int(1, false),
            op::BININT2 => self.int(2, false),
            op::BININT => self.int(4, true),
            op::LONG1 => self.size(1).and_then(|size| self.int(size, true)),
            op::LONG4 => self.size(4).and_then(|size| self.int(size, true)),
            op::BINFLOAT => self.skip(8),

            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => self.string(1),
            op::BINUNICODE | op::BINSTRING => self.string(4),
            op::BINUNICODE8 => self.string(8),
            op::SHORT_BINBYTES => self.size(1).and_then(|size| self.skip(size)),
            op::BINBYTES => self.size(4).and_then(|size| self.skip(size)),
            op::BINBYTES8 => self.size(8).and_then(|size| self.skip(size)),

            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => self.pop().map(drop),
            op::DUP => self.top().and_then(|top| self.push_again(top)),

            op::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new())),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::EMPTY_LIST => self.push(Value::List(Vec::new())),
            op::APPEND => self.pop().and_then(|item| self.append(&[item])),
            op::EMPTY_DICT => self.empty_dict(),
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])
            }
            op::POP_MARK | op::TUPLE | op::LIST | op::APPENDS | op::DICT | op::SETITEMS => {
                let items = self.pop_to_mark()?;
                match opcode {
                    op::TUPLE => self.push(Value::Tuple(items)),
                    op::LIST => self.push(Value::List(items)),
                    op::APPENDS => self.append(&items),
                    op::DICT => {
                        self.empty_dict()?;
                        self.set_items(&items)
                    }
                    op::SETITEMS => self.set_items(&items),
                    _ => Ok(()),
                }
            }

            op::BINPUT => self.size(1).and_then(|index| self.memoize(index)),
            op::LONG_BINPUT => self.size(4).and_then(|index| self.memoize(index)),
            op::MEMOIZE => self.memoize(self.memo.len()),
            op::BINGET => self.recall(1),
            op::LONG_BINGET => self.recall(4),

            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.value(module), self.value(name)) {
                    (&Value::Str(module), &Value::Str(name)) => self.global(module, name),
                    _ => Err(self.malformed("a global without a name")),
                }
            }
            op::REDUCE => self.reduce(),
            op::BUILD => self.build(),
            op::BINPERSID => self.persistent_id(),

            // Refused, but the error names what they ask for.
            op::INST => {
                let path = format!("{}.{}", self.line()?, self.line()?);
                Err(PickleError::Forbidden(printable(&path)))
            }
            op::OBJ | op::NEWOBJ | op::NEWOBJ_EX => Err(self.instance(opcode, at)),
            _ => Err(PickleError::Opcode { opcode, at }),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(PickleError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A little-endian size of `count` bytes.
    fn size(&mut self, count: usize) -> Result<usize> {
        let mut size = [0; 8];
        size[..count].copy_from_slice(self.take(count)?);
        usize::try_from(u64::from_le_bytes(size)).map_err(|_| PickleError::Truncated)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or(PickleError::Truncated)?;
        let line = std::str::from_utf8(&rest[..length]);
        let line = line.map_err(|_| self.malformed("a name that is not UTF-8"))?;
        self.at += length + 1;
        Ok(line)
    }

    fn string(&mut self, size: usize) -> Result<()> {
        let size = self.size(size)?;
        match std::str::from_utf8(self.take(size)?) {
            Ok(text) => self.push(Value::Str(text)),
            Err(_) => Err(self.malformed("a string that is not UTF-8")),
        }
    }

    /// A value of `size` bytes that the conversion does not need.
    fn skip(&mut self, size: usize) -> Result<()> {
        self.take(size)?;
        self.push(Value::Inert(None))
    }

    /// A little-endian integer of `count` bytes.
    fn int(&mut self, count: usize, signed: bool) -> Result<()> {
        let bytes = self.take(count)?;
        if count > 16 {
            return Err(self.malformed("an integer of more than 128 bits"));
        }
        let negative = signed && bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut int = [if negative { 0xff } else { 0 }; 16];
        int[..count].copy_from_slice(bytes);
        self.push(Value::Int(i128::from_le_bytes(int)))
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<()> {
        // An instruction makes at most one value, so the index fits.
        self.stack.push(ValueId(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    pub(super) fn push_again(&mut self, id: ValueId) -> Result<()> {
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<ValueId> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The last value, if it is above the last mark.
    pub(super) fn top(&self) -> Result<ValueId> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&top) if self.stack.len() > floor => Ok(top),
            _ => Err(self.malformed("nothing on the stack")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<ValueId>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.malformed("no mark on the stack")),
        }
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        self.push(Value::Tuple(items.into_iter().rev().collect()))
    }

    fn empty_dict(&mut self) -> Result<()> {
        self.push(Value::Dict {
            items: Vec::new(),
            ordered: false,
        })
    }

    fn append(&mut self, new: &[ValueId]) -> Result<()> {
        let list = self.top()?.0 as usize;
        let Value::List(items) = &mut self.values[list] else {
            return Err(self.malformed("items appended to something that is no list"));
        };
        items.extend_from_slice(new);
        Ok(())
    }

    fn set_items(&mut self, new: &[ValueId]) -> Result<()> {
        let (pairs, []) = new.as_chunks() else {
            return Err(self.malformed("a key without a value"));
        };
        let dict = self.top()?;
        let Value::Dict { items, .. } = &mut self.values[dict.0 as usize] else {
            return Err(self.malformed("items set on something that is no dictionary"));
        };
        items.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn memoize(&mut self, index: usize) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, size: usize) -> Result<()> {
        let index = self.size(size)?;
        match self.memo.get(&index) {
            Some(&value) => self.push_again(value),
            None => Err(self.malformed("a memo that was never set")),
        }
    }

    pub(super) fn value(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { what, at: self.at }
    }
}
