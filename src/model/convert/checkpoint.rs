//! A checkpoint of either form: its pickle, and its storages by key.

use std::borrow::Cow;

use super::{
    ConvertProblem,
    pickle::{Pickle, Storage},
    torch_legacy::{self, LegacyStorages},
    torch_zip::{ZipFile, ZipStorages},
};

/// The forms in which `torch.save` has written files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointForm {
    /// Pickles and storages one after another (before PyTorch 1.6, and on request).
    Legacy,
    /// A zip archive.
    Zip,
}

impl std::fmt::Display for CheckpointForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy pickle",
            Self::Zip => "zip archive",
        })
    }
}

/// What storages are read from.
pub enum Storages<'a> {
    Legacy(LegacyStorages<'a>),
    Zip(ZipStorages<'a>),
}

impl Storages<'_> {
    /// The bytes of a storage, as many as its length and number format say.
    pub fn read(&mut self, storage: &Storage) -> Result<Cow<'_, [u8]>, ConvertProblem> {
        match self {
            Self::Legacy(storages) => storages.read(storage).map(Cow::Borrowed),
            Self::Zip(storages) => storages.read(storage).map(Cow::Owned),
        }
    }
}

/// Reads the pickle of a checkpoint, and makes `with` of it and the storages.
///
/// `with` is a function because the pickle of an archive is unpacked here and
/// its values borrow from it.
pub fn open<T>(
    bytes: &[u8],
    with: impl FnOnce(CheckpointForm, &Pickle, Storages) -> Result<T, ConvertProblem>,
) -> Result<T, ConvertProblem> {
    if bytes.starts_with(b"PK") {
        let mut file = ZipFile::open(bytes)?;
        let data = file.pickle()?;
        let pickle = super::pickle::load(&data)?;
        let storages = Storages::Zip(file.into_storages());
        return with(CheckpointForm::Zip, &pickle, storages);
    }
    if safetensors::SafeTensors::read_metadata(bytes).is_ok() {
        return Err(ConvertProblem::Safetensors);
    }
    let (pickle, storages) = torch_legacy::open(bytes)?;
    with(CheckpointForm::Legacy, &pickle, Storages::Legacy(storages))
}
