//! Checkpoints in the zip form.
//!
//! An archive with one folder: `data.pkl`, the object; `data/KEY`, the elements
//! of each storage; `byteorder`, where the writer said it. Entries are stored,
//! deflated when somebody packed the archive anew.

use std::io::{Cursor, Read};

use zip::{ZipArchive, result::ZipError};

use super::{
    ConvertProblem,
    pickle::{Storage, printable},
};

/// Most bytes of a pickle; a checkpoint of a thousand tensors has about 0.2 MB.
const MAX_PICKLE: usize = 64 << 20;
/// Floating-point numbers hardly deflate, so all that is read may be this many
/// times the size of the file; more is an archive made to fill the memory.
const MAX_INFLATION: usize = 64;

/// A checkpoint's archive.
pub struct ZipFile<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Path of the folder, with the slash.
    folder: String,
    /// Bytes that may still be unpacked.
    budget: usize,
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
            budget: bytes.len().saturating_mul(MAX_INFLATION),
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
        let limit = limit.min(self.budget);
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
        self.budget -= data.len();
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

fn archive_error(error: ZipError) -> ConvertProblem {
    ConvertProblem::Archive(error.to_string())
}
