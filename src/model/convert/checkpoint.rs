//! A checkpoint of either form: its pickle, and its storages by key.

use std::{borrow::Cow, collections::HashMap};

use super::{
    ConvertProblem, Result,
    pickle::{self, Pickle, Storage},
    torch_legacy,
    torch_zip::ZipFile,
};

/// The forms in which `torch.save` has written files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointForm {
    /// Pickles and storages one after another (before PyTorch 1.6, and on request).
    Legacy,
    Zip,
    /// No checkpoint, but a safetensors file.
    Safetensors,
}

pub struct Checkpoint<'a> {
    pub form: CheckpointForm,
    pub pickle: Pickle<'a>,
    pub storages: Storages<'a>,
}

pub enum Storages<'a> {
    InMemory(HashMap<&'a str, &'a [u8]>),
    Zip(ZipFile<'a>),
}

impl<'a> Storages<'a> {
    /// The bytes of a storage, as many as [`Storage::size`] says.
    pub fn read(&mut self, storage: &Storage) -> Result<Cow<'a, [u8]>> {
        match self {
            Self::InMemory(storages) => match storages.get(storage.key) {
                Some(data) => Ok(Cow::Borrowed(data)),
                None => Err(ConvertProblem::storage(storage.key, "is not in the file")),
            },
            Self::Zip(file) => file.storage(storage).map(Cow::Owned),
        }
    }
}

/// Reads the pickle of a checkpoint. In an archive it is packed, and
/// `unpacked` keeps it for the values that borrow from it.
pub fn open<'a>(bytes: &'a [u8], unpacked: &'a mut Vec<u8>) -> Result<Checkpoint<'a>> {
    if bytes.starts_with(b"PK") {
        let mut file = ZipFile::open(bytes)?;
        *unpacked = file.pickle()?;
        let pickle = pickle::load(unpacked)?;
        storages_by_key(&pickle)?;
        return Ok(Checkpoint {
            form: CheckpointForm::Zip,
            pickle,
            storages: Storages::Zip(file),
        });
    }
    let (pickle, storages) = torch_legacy::open(bytes)?;
    Ok(Checkpoint {
        form: CheckpointForm::Legacy,
        pickle,
        storages: Storages::InMemory(storages),
    })
}

pub fn storages_by_key<'a>(pickle: &Pickle<'a>) -> Result<HashMap<&'a str, Storage<'a>>> {
    let mut known = HashMap::new();
    for storage in pickle.storages() {
        let first = known.entry(storage.key).or_insert(*storage);
        if (first.dtype, first.len) != (storage.dtype, storage.len) {
            return Err(ConvertProblem::storage(
                storage.key,
                "is described in two ways",
            ));
        }
    }
    Ok(known)
}
