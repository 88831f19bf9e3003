//! The pickle machine: its instructions, stack and memo.

use std::collections::HashMap;

use super::{Pickle, PickleError, Value, ValueId, opcodes as op, printable};

/// Most instructions that are carried out. A checkpoint of a thousand tensors
/// with its optimizer has about 100,000; every instruction costs a bounded
/// amount of memory, so this bounds the whole.
const MAX_INSTRUCTIONS: usize = 1 << 21;
pub(super) type Result<T> = std::result::Result<T, PickleError>;

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// When it is not a whole pickle, has more than the limits above, or asks for
/// anything but containers, plain values and tensors.
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
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, ValueId>,
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
            op::LONG1 => {
                let size = self.size(1)?;
                self.int(size, true)
            }
            op::LONG4 => {
                let size = self.size(4)?;
                self.int(size, true)
            }
            op::BINFLOAT => {
                self.take(8)?;
                self.push(Value::Inert(None))
            }

            op::SHORT_BINUNICODE | op::SHORT_BINSTRING => self.string(1),
            op::BINUNICODE | op::BINSTRING => self.string(4),
            op::BINUNICODE8 => self.string(8),
            op::SHORT_BINBYTES => self.skip_bytes(1),
            op::BINBYTES => self.skip_bytes(4),
            op::BINBYTES8 => self.skip_bytes(8),

            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.pop_to_mark().map(drop),
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }

            op::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new())),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))
            }
            op::EMPTY_LIST => self.push(Value::List(Vec::new())),
            op::LIST => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))
            }
            op::APPEND => {
                let item = self.pop()?;
                self.append(&[item])
            }
            op::APPENDS => {
                let items = self.pop_to_mark()?;
                self.append(&items)
            }
            op::EMPTY_DICT => self.push(dict(false)),
            op::DICT => {
                let items = self.pop_to_mark()?;
                self.push(dict(false))?;
                self.set_items(&items)
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])
            }
            op::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }

            op::BINPUT => self.memoize(1),
            op::LONG_BINPUT => self.memoize(4),
            op::MEMOIZE => {
                let (top, index) = (self.top()?, self.memo.len() as u32);
                self.memo.insert(index, top);
                Ok(())
            }
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

            op::INST => {
                let (module, name) = (self.line()?, self.line()?);
                Err(PickleError::Forbidden(path(module, name)))
            }
            op::OBJ => {
                let parts = self.pop_to_mark()?;
                Err(self.instance_of(parts.first().copied(), opcode, at))
            }
            op::NEWOBJ => {
                self.pop()?;
                let class = self.pop()?;
                Err(self.instance_of(Some(class), opcode, at))
            }
            op::NEWOBJ_EX => {
                self.tuple(2)?;
                self.pop()?;
                let class = self.pop()?;
                Err(self.instance_of(Some(class), opcode, at))
            }
            _ => Err(PickleError::Opcode { opcode, at }),
        }
    }

    // Reading.

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
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = std::str::from_utf8(&rest[..length])
            .map_err(|_| self.malformed("a name that is not UTF-8"))?;
        self.at += length + 1;
        Ok(line)
    }

    fn string(&mut self, size: usize) -> Result<()> {
        let size = self.size(size)?;
        let bytes = self.take(size)?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| self.malformed("a string that is not UTF-8"))?;
        self.push(Value::Str(text))
    }

    fn skip_bytes(&mut self, size: usize) -> Result<()> {
        let size = self.size(size)?;
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

    // The stack, the memo and the values.

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<()> {
        // One value at most per instruction, so the index fits.
        self.stack.push(ValueId(self.values.len() as u32));
        self.values.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<ValueId> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The last value, which has to be above the last mark.
    pub(super) fn top(&self) -> Result<ValueId> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&top) if self.stack.len() > floor => Ok(top),
            _ => Err(self.malformed("nothing on the stack")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<ValueId>> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| self.malformed("no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, new: &[ValueId]) -> Result<()> {
        let list = self.top()?;
        match &mut self.values[list.0 as usize] {
            Value::List(items) => items.extend_from_slice(new),
            _ => return Err(self.malformed("items appended to something that is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, new: &[ValueId]) -> Result<()> {
        let (pairs, []) = new.as_chunks() else {
            return Err(self.malformed("a key without a value"));
        };
        let dict = self.top()?;
        match &mut self.values[dict.0 as usize] {
            Value::Dict { items, .. } => {
                items.extend(pairs.iter().map(|&[key, value]| (key, value)))
            }
            _ => return Err(self.malformed("items set on something that is no dictionary")),
        }
        Ok(())
    }

    fn memoize(&mut self, size: usize) -> Result<()> {
        let index = self.size(size)? as u32;
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, size: usize) -> Result<()> {
        let index = self.size(size)? as u32;
        let value = *self
            .memo
            .get(&index)
            .ok_or_else(|| self.malformed("a memo that was never set"))?;
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn value(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { what, at: self.at }
    }
}

pub(super) fn dict<'a>(ordered: bool) -> Value<'a> {
    let items = Vec::new();
    Value::Dict { items, ordered }
}

pub(super) fn path(module: &str, name: &str) -> String {
    printable(&format!("{module}.{name}"))
}
