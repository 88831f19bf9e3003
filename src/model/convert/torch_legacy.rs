//! Checkpoints before the zip form.
//!
//! Five pickles one after another: a magic number, the protocol (1001), a
//! dictionary about the machine that wrote it, the object, and a list of its
//! storages' keys. Then each storage in that order: the number of its elements
//! (8 bytes) and the elements, all little-endian.

use std::collections::HashMap;

use super::{
    ConvertProblem, Result,
    checkpoint::storages_by_key,
    pickle::{self, Pickle, Value},
};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// Reads the object's pickle and finds the bytes of its storages.
pub fn open(bytes: &[u8]) -> Result<(Pickle<'_>, HashMap<&str, &[u8]>)> {
    if bytes.first() != Some(&pickle::PROTO) {
        return Err(ConvertProblem::NotCheckpoint);
    }
    let mut rest = bytes;
    let mut next = || {
        let pickle = pickle::load(rest)?;
        rest = &rest[pickle.size..];
        Ok::<_, ConvertProblem>(pickle)
    };
    // A pickle error here still names what the file asks for.
    if *next()?.root() != Value::Int(MAGIC) || *next()?.root() != Value::Int(PROTOCOL) {
        return Err(ConvertProblem::NotCheckpoint);
    }
    let system = next()?;
    let big_endian = system
        .entries(system.root())
        .any(|(key, value)| key == "little_endian" && *system.get(value) == Value::Bool(false));
    if big_endian {
        return Err(ConvertProblem::BigEndian);
    }
    let object = next()?;
    let keys = next()?;
    let storages = split(rest, &object, &keys)?;
    Ok((object, storages))
}

fn split<'a>(
    mut rest: &'a [u8],
    object: &Pickle<'a>,
    keys: &Pickle<'a>,
) -> Result<HashMap<&'a str, &'a [u8]>> {
    let known = storages_by_key(object)?;
    let mut found = HashMap::new();
    let Value::List(list) = keys.root() else {
        return Err(ConvertProblem::NotCheckpoint);
    };
    for &key in list {
        let &Value::Str(key) = keys.get(key) else {
            return Err(ConvertProblem::NotCheckpoint);
        };
        let problem = |what| ConvertProblem::storage(key, what);
        let storage = known.get(key).ok_or_else(|| problem("is of no tensor"))?;
        let (&len, after) = rest
            .split_first_chunk()
            .ok_or_else(|| problem("is cut short"))?;
        if u64::from_le_bytes(len) != storage.len as u64 {
            return Err(problem("has another length than its pickle says"));
        }
        let (data, after) = storage
            .size()
            .and_then(|size| after.split_at_checked(size))
            .ok_or_else(|| problem("is cut short"))?;
        rest = after;
        if found.insert(key, data).is_some() {
            return Err(problem("is there twice"));
        }
    }
    Ok(found)
}
