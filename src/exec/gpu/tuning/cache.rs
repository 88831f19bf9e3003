//! The table of an adapter in a file.
//!
//! There is one file for each adapter. It holds what the measurements were made
//! with; those made with anything else are not used.

use super::{Tuned, Tuning};
use crate::exec::gpu::cache_folder::{CacheFolder, Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Of the file. Raised when entries get another meaning.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    made_with: Identity,
    /// Entries of variants that are unknown here are left out.
    kernels: BTreeMap<String, Value>,
}

/// The table for a device, empty if there is none that can be used; and why a
/// file cannot be used.
pub fn load(folder: &CacheFolder, identity: &Identity) -> (Tuning, Option<String>) {
    let name = identity.file_name("kernels", "json");
    let (reason, path) = match folder.read(&name) {
        Ok(None) => return Default::default(),
        Ok(Some(bytes)) => match parse(&bytes, identity) {
            Ok(tuning) => return (tuning, None),
            Err(reason) => (reason, folder.path(&name)),
        },
        Err(error) => (format!("cannot be read ({error})"), folder.path(&name)),
    };
    let note = format!("{}: {reason}, so kernels are timed anew", path.display());
    (Tuning::default(), Some(note))
}

fn parse(bytes: &[u8], identity: &Identity) -> Result<Tuning, String> {
    let file: Result<File, _> = serde_json::from_slice(bytes);
    let file = file.map_err(|error| format!("is damaged ({error})"))?;
    if file.version != VERSION || file.made_with != *identity {
        let reason = "is of another driver, or of another version of srdiff";
        return Err(reason.to_owned());
    }
    let known = |(class, entry)| {
        let tuned: Tuned = serde_json::from_value(entry).ok()?;
        Some((class, tuned))
    };
    Ok(file.kernels.into_iter().filter_map(known).collect())
}

/// Changes the table in the file; what another process has added meanwhile
/// stays.
///
/// # Errors
/// One sentence: why the file cannot be written.
pub fn update(
    folder: &CacheFolder,
    identity: &Identity,
    change: impl FnOnce(&mut Tuning),
) -> Result<(), String> {
    let name = identity.file_name("kernels", "json");
    let mut kernels = load(folder, identity).0;
    change(&mut kernels);
    let entry = |(class, tuned): (&str, &Tuned)| {
        let tuned = serde_json::to_value(tuned).expect("plain data");
        (class.to_owned(), tuned)
    };
    let file = File {
        version: VERSION,
        made_with: identity.clone(),
        kernels: kernels.iter().map(entry).collect(),
    };
    let json = serde_json::to_string_pretty(&file).expect("plain data");
    folder.write(&name, json.as_bytes()).map_err(|error| {
        format!(
            "{}: cannot be written ({error}), so kernels will be timed again",
            folder.path(&name).display()
        )
    })
}
