//! Checkpoints in the zip form.
//!
//! An archive with one folder: `data.pkl`, the object; `data/KEY`, the elements
//! of each storage; `byteorder`, if the writer recorded it. Entries are stored,
//! or deflated if somebody packed the archive anew.

use std::{
    collections::HashSet,
    io::{Cursor, Read},
};

use zip::{ZipArchive, result::ZipError};

use super::{ConvertProblem, Result, pickle::Storage};
use crate::model::printable;

/// Bytes of a pickle; that of a thousand tensors has about 0.2 MB.
const MAX_PICKLE: u64 = 64 << 20;
/// All entries together may have this many times the size of the file.
/// Floating-point numbers hardly deflate, so more is an archive made to fill
/// the memory.
const MAX_INFLATION: u64 = 8;
/// A storage that many tensors view may have to be unpacked again. With all
/// repetitions, this many times the size of the file may be unpacked.
const MAX_WORK: u64 = 64;
/// Bytes of all entries, whatever the size of the file: four billion weights
/// in f32, a hundred times as many as such models have.
const MAX_UNPACKED: u64 = 16 << 30;

pub struct ZipFile<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Path of the folder, with the slash.
    folder: String,
    unpacked: HashSet<String>,
    /// Bytes of other entries that may still be unpacked.
    budget: u64,
    /// Bytes that may still be unpacked of any entry.
    work: u64,
}

impl<'a> ZipFile<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let archive = ZipArchive::new(Cursor::new(bytes))?;
        if archive.has_duplicate_names() {
            let reason = "it has two entries of one name".to_owned();
            return Err(ConvertProblem::Archive(reason));
        }
        let folders: Vec<String> = archive
            .file_names()
            .filter_map(Result::ok)
            .filter_map(|name| Some(name.strip_suffix("data.pkl")?.to_owned()))
            .filter(|folder| folder.is_empty() || folder.ends_with('/'))
            .collect();
        let Ok([folder]) = <[String; 1]>::try_from(folders) else {
            return Err(ConvertProblem::NotCheckpoint);
        };
        let size = bytes.len() as u64;
        Ok(Self {
            archive,
            folder,
            unpacked: HashSet::new(),
            budget: (size * MAX_INFLATION).min(MAX_UNPACKED),
            work: size * MAX_WORK,
        })
    }

    pub fn pickle(&mut self) -> Result<Vec<u8>> {
        let order = self.entry("byteorder", 16)?;
        match order.as_deref().map(<[u8]>::trim_ascii) {
            None | Some(b"little") => {}
            _ => return Err(ConvertProblem::BigEndian),
        }
        self.entry("data.pkl", MAX_PICKLE)?
            .ok_or(ConvertProblem::NotCheckpoint)
    }

    /// The bytes of a storage, as many as [`Storage::size`] says.
    pub fn storage(&mut self, storage: &Storage) -> Result<Vec<u8>> {
        let problem = |what| ConvertProblem::storage(storage.key, what);
        let size = storage
            .size()
            .ok_or_else(|| problem("has an impossible length"))?;
        let data = self
            .entry(&format!("data/{}", storage.key), size as u64)?
            .ok_or_else(|| problem("is not in the archive"))?;
        if data.len() < size {
            return Err(problem("is shorter than its pickle says"));
        }
        Ok(data)
    }

    /// An entry of the folder, of at most `limit` bytes; `None` when there is
    /// no such entry.
    fn entry(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = format!("{}{name}", self.folder);
        let problem =
            |reason: String| ConvertProblem::Archive(format!("`{}` {reason}", printable(&path)));
        let entry = match self.archive.by_name(&path) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let new = !self.unpacked.contains(name);
        let most = if new { self.budget } else { u64::MAX };
        let limit = limit.min(most).min(self.work);
        // Nothing is allocated by the size that the archive claims. One byte
        // more than allowed shows that there is more, and reading to the end
        // has the checksum checked.
        let mut data = Vec::new();
        entry
            .take(limit.saturating_add(1))
            .read_to_end(&mut data)
            .map_err(|error| problem(format!("cannot be unpacked: {error}")))?;
        let size = data.len() as u64;
        if size > limit {
            return Err(problem("is larger than it may be".to_owned()));
        }
        self.work -= size;
        if new {
            self.budget -= size;
            self.unpacked.insert(name.to_owned());
        }
        Ok(Some(data))
    }
}
