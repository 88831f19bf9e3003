//! The checksum in a model file's metadata.
//!
//! A flipped bit among the weights still gives an image, only another one. The
//! checksum covers the header as well: settings, names and shapes.
//!
//! It is the SHA-256 of the header as JSON without this entry (keys sorted, no
//! whitespace), followed by the file's data section.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ModelProblem;

pub(super) const KEY: &str = "checksum";
pub(super) const METADATA: &str = "__metadata__";
pub(super) const PREFIX: &str = "sha256:";

/// As long as every checksum, so that a file's layout is known before it.
pub(super) fn placeholder() -> String {
    format!("{PREFIX}{}", "0".repeat(64))
}

pub(super) fn compute(mut header: Value, data: &[u8]) -> String {
    if let Some(metadata) = header.get_mut(METADATA).and_then(Value::as_object_mut) {
        metadata.remove(KEY);
    }
    header.sort_all_objects();
    let mut hash = Sha256::new();
    hash.update(header.to_string());
    hash.update(data);
    let digest = hash.finalize();
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    PREFIX.to_owned() + &hex.collect::<String>()
}

/// Compares a file with the checksum that it states, if it does.
pub(super) fn verify(header: &[u8], data: &[u8], stated: Option<&str>) -> Result<(), ModelProblem> {
    let Some(stated) = stated else {
        return Ok(());
    };
    let header =
        serde_json::from_slice(header).map_err(|error| ModelProblem::Format(error.to_string()))?;
    let found = compute(header, data);
    if found == stated {
        return Ok(());
    }
    // Enough to tell two apart.
    let shortened = |checksum: &str| checksum.chars().take(PREFIX.len() + 12).collect();
    Err(ModelProblem::Checksum {
        stated: shortened(stated),
        found: shortened(&found),
    })
}

/// Whether a header has a checksum, sorted keys, and nothing but spaces after them.
pub(super) fn is_own_header(header: &[u8]) -> bool {
    let Ok(mut value) = serde_json::from_slice::<Value>(header) else {
        return false;
    };
    value.sort_all_objects();
    let text = value.to_string();
    let rest = header.strip_prefix(text.as_bytes());
    value[METADATA][KEY].is_string() && rest.is_some_and(|rest| rest.iter().all(|&b| b == b' '))
}
