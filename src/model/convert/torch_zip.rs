//! Checkpoints in the zip form.
//!
//! An archive with one folder: `data.pkl`, the object; `data/KEY`, the elements
//! of each storage; `byteorder`, where the writer said it. Entries are stored,
//! deflated when somebody packed the archive anew.

use std::{
    collections::HashSet,
    io::{Cursor, Read},
};

use zip::{ZipArchive, result::ZipError};

use super::{
    ConvertProblem,
    pickle::{Storage, printable},
};

/// Most bytes of a pickle; a checkpoint of a thousand tensors has about 0.2 MB.
const MAX_PICKLE: usize = 64 << 20;
/// Floating-point numbers hardly deflate, so all entries together may be this
/// many times the size of the file; more is an archive made to fill the memory.
const MAX_INFLATION: usize = 8;
/// A storage that many tensors view may have to be unpacked more than once. As
/// many times the size of the file may be unpacked with all repetitions.
const MAX_WORK: usize = 64;
/// Most bytes of all entries that are read, whatever the size of the file: four billion
/// weights in f32, a hundred times as many as such models have.
const MAX_UNPACKED: u64 = 16 << 30;

/// A checkpoint's archive.
pub struct ZipFile<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Path of the folder, with the slash.
    folder: String,
    /// Names of the entries that were unpacked.
    unpacked: HashSet<String>,
    /// Bytes of other entries that may still be unpacked.
    budget: usize,
    /// Bytes that may still be unpacked of any entry.
    work: usize,
}

/// The storages of an archive.
pub struct ZipStorages<'a>(ZipFile<'a>);

impl<'a> ZipFile<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self, ConvertProblem> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(archive_error)?;
        if archive.has_duplicate_names() {
            return Err(ConvertProblem::Archive(
                "it has two entries of one name".to_owned(),
            ));
        }
        let mut folders = archive
            .file_names()
            .filter_map(Result::ok)
            .filter_map(|name| {
                let folder = name.strip_suffix("data.pkl")?;
                (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
            });
        let (Some(folder), None) = (folders.next(), folders.next()) else {
            return Err(ConvertProblem::NotCheckpoint);
        };
        drop(folders);
        Ok(Self {
            archive,
            folder,
            unpacked: HashSet::new(),
            budget: budget(bytes.len()),
            work: bytes.len().saturating_mul(MAX_WORK),
        })
    }

    /// The bytes of the object's pickle.
    pub fn pickle(&mut self) -> Result<Vec<u8>, ConvertProblem> {
        let order = self.entry("byteorder", 16)?;
        match order.as_deref().map(<[u8]>::trim_ascii) {
            None | Some(b"little") => {}
            _ => return Err(ConvertProblem::BigEndian),
        }
        self.entry("data.pkl", MAX_PICKLE)?
            .ok_or(ConvertProblem::NotCheckpoint)
    }

    pub fn into_storages(self) -> ZipStorages<'a> {
        ZipStorages(self)
    }

    /// An entry of the folder, of at most `limit` bytes; `None` when there is
    /// no such entry.
    fn entry(&mut self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, ConvertProblem> {
        let path = format!("{}{name}", self.folder);
        let entry = match self.archive.by_name(&path) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(archive_error(error)),
        };
        let new = !self.unpacked.contains(name);
        let most = if new { self.budget } else { usize::MAX };
        let limit = limit.min(most).min(self.work);
        // Nothing is allocated by the size that the archive claims. One byte
        // more than allowed shows that there is more; reading to the end also
        // has the checksum checked.
        let mut data = Vec::new();
        entry
            .take((limit as u64).saturating_add(1))
            .read_to_end(&mut data)
            .map_err(|error| ConvertProblem::Archive(format!("`{}`: {error}", printable(&path))))?;
        if data.len() > limit {
            return Err(ConvertProblem::Archive(format!(
                "`{}` is larger than it may be",
                printable(&path)
            )));
        }
        self.work -= data.len();
        if new {
            self.budget -= data.len();
            self.unpacked.insert(name.to_owned());
        }
        Ok(Some(data))
    }
}

impl ZipStorages<'_> {
    pub fn read(&mut self, storage: &Storage) -> Result<Vec<u8>, ConvertProblem> {
        let problem = |what| ConvertProblem::Storage {
            key: printable(storage.key),
            what,
        };
        let size = storage
            .len
            .checked_mul(storage.element.size())
            .ok_or_else(|| problem("has an impossible length"))?;
        let data = self
            .0
            .entry(&format!("data/{}", storage.key), size)?
            .ok_or_else(|| problem("is not in the archive"))?;
        if data.len() < size {
            return Err(problem("is shorter than its pickle says"));
        }
        Ok(data)
    }
}

/// Bytes that may be unpacked from an archive of `size` bytes.
fn budget(size: usize) -> usize {
    let most = usize::try_from(MAX_UNPACKED).unwrap_or(usize::MAX);
    size.saturating_mul(MAX_INFLATION).min(most)
}

fn archive_error(error: ZipError) -> ConvertProblem {
    ConvertProblem::Archive(error.to_string())
}
