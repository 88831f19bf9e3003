//! Checkpoints before the zip form.
//!
//! Five pickles one after another: a magic number, the protocol (1001), a
//! dictionary about the machine that wrote it, the object, and a list of its
//! storages' keys. Then each storage in that order: the number of its elements
//! (8 bytes) and the elements, all little-endian.

use std::collections::HashMap;

use super::{
    ConvertProblem,
    pickle::{self, Pickle, Storage, Value, printable},
};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// The elements of each storage of a legacy file.
pub struct LegacyStorages<'a>(HashMap<&'a str, &'a [u8]>);

impl<'a> LegacyStorages<'a> {
    pub fn read(&self, storage: &Storage) -> Result<&'a [u8], ConvertProblem> {
        self.0
            .get(storage.key)
            .copied()
            .ok_or_else(|| problem(storage.key, "is not in the file"))
    }
}

/// Reads the object's pickle and finds its storages.
pub fn open(bytes: &[u8]) -> Result<(Pickle<'_>, LegacyStorages<'_>), ConvertProblem> {
    if bytes.first() != Some(&pickle::PROTO) {
        return Err(ConvertProblem::NotCheckpoint);
    }
    let mut rest = bytes;
    let mut next = || {
        let pickle = pickle::load(rest)?;
        rest = &rest[pickle.size()..];
        Ok::<_, ConvertProblem>(pickle)
    };
    // A pickle of something else is no checkpoint, whatever is wrong with it
    // besides; but what it asks for is worth naming.
    if *next()?.root() != Value::Int(MAGIC) || *next()?.root() != Value::Int(PROTOCOL) {
        return Err(ConvertProblem::NotCheckpoint);
    }
    let system = next()?;
    let little_endian = system
        .entries(system.root())
        .find(|&(key, _)| key == "little_endian");
    if let Some((_, value)) = little_endian
        && *system.get(value) == Value::Bool(false)
    {
        return Err(ConvertProblem::BigEndian);
    }
    let object = next()?;
    let keys = next()?;
    let storages = split(rest, &object, &keys)?;
    Ok((object, LegacyStorages(storages)))
}

fn split<'a>(
    mut rest: &'a [u8],
    object: &Pickle<'a>,
    keys: &Pickle<'a>,
) -> Result<HashMap<&'a str, &'a [u8]>, ConvertProblem> {
    let mut known = HashMap::new();
    for storage in object.storages() {
        let same = known.entry(storage.key).or_insert(storage);
        if (same.element, same.len) != (storage.element, storage.len) {
            return Err(problem(storage.key, "is described in two ways"));
        }
    }
    let mut found = HashMap::new();
    let Value::List(list) = keys.root() else {
        return Err(ConvertProblem::NotCheckpoint);
    };
    for &key in list {
        let &Value::Str(key) = keys.get(key) else {
            return Err(ConvertProblem::NotCheckpoint);
        };
        let storage = known
            .get(key)
            .ok_or_else(|| problem(key, "is of no tensor"))?;
        let (&len, after) = rest
            .split_first_chunk()
            .ok_or_else(|| problem(key, "is cut short"))?;
        if u64::from_le_bytes(len) != storage.len as u64 {
            return Err(problem(key, "has another length than its pickle says"));
        }
        let (data, after) = storage
            .len
            .checked_mul(storage.element.size())
            .and_then(|size| after.split_at_checked(size))
            .ok_or_else(|| problem(key, "is cut short"))?;
        rest = after;
        if found.insert(key, data).is_some() {
            return Err(problem(key, "is there twice"));
        }
    }
    Ok(found)
}

fn problem(key: &str, what: &'static str) -> ConvertProblem {
    let key = printable(key);
    ConvertProblem::Storage { key, what }
}
