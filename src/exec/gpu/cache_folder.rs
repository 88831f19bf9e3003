//! The folder that keeps what was found out about a device, and what the
//! files in it are for.

use super::AdapterSummary;
use super::template;
use crate::atomic_file::{self, Fault};
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Larger files are not ours.
const MOST_BYTES: u64 = 256 << 20;

/// A folder of files that can be removed at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFolder(PathBuf);

impl CacheFolder {
    /// A folder, which is made when something is written.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `SRDIFF_CACHE_DIR`, or else `srdiff` in the user's folder of caches;
    /// none where the user has no folder at all.
    pub fn of_user() -> Option<Self> {
        if let Some(folder) = std::env::var_os("SRDIFF_CACHE_DIR").filter(|name| !name.is_empty()) {
            return Some(Self(folder.into()));
        }
        let folders = etcetera::base_strategy::choose_native_strategy().ok()?;
        Some(Self(folders.cache_dir().join("srdiff")))
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The bytes of a file; none if it is not there.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(name);
        let size = match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is no file")),
            Ok(metadata) => metadata.len(),
            // Whoever writes learns that the folder cannot be made.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if size > MOST_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        fs::read(&path).map(Some)
    }

    /// Writes a file whole: who reads it at the same time gets the old one or
    /// the new one.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        fs::create_dir_all(&self.0).map_err(|error| error.to_string())?;
        atomic_file::remove_leftovers(&self.0);
        atomic_file::write(&self.path(name), bytes, true).map_err(|fault| match fault {
            Fault::Io(error) => error.to_string(),
            Fault::Folder => "a folder is in its place".to_owned(),
            Fault::NoFolder(_) => "its folder was removed".to_owned(),
            Fault::Exists | Fault::NotRegular | Fault::NotAFolder(_) => {
                "something else is in its place".to_owned()
            }
        })
    }
}

/// What a measurement, or a compiled kernel, was made with and holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    adapter: String,
    vendor: u32,
    device: u32,
    backend: String,
    driver: String,
    srdiff: String,
    /// SHA-256 of all shaders.
    shaders: String,
}

impl Identity {
    pub fn of(adapter: &AdapterSummary) -> Self {
        Self {
            adapter: adapter.name.clone(),
            vendor: adapter.vendor,
            device: adapter.device,
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            srdiff: env!("CARGO_PKG_VERSION").to_owned(),
            shaders: shaders().to_owned(),
        }
    }

    /// The name of a file for this adapter. Two versions of a driver or of
    /// srdiff share it, so that no old file stays behind.
    pub(super) fn file_name(&self, kind: &str, extension: &str) -> String {
        let Self {
            adapter,
            vendor,
            device,
            backend,
            driver,
            ..
        } = self;
        // Two drivers of one card have names of their own before the version.
        let driver = driver.split(' ').next().unwrap_or_default();
        let text = format!("{adapter}\n{vendor}\n{device}\n{backend}\n{driver}");
        let hash = hex(&Sha256::digest(text));
        format!("{kind}-{}.{extension}", &hash[..16])
    }

    /// All of it in 32 bytes.
    #[cfg(feature = "gpu")]
    pub(super) fn hash(&self) -> [u8; 32] {
        let text = serde_json::to_string(self).expect("plain data");
        Sha256::digest(text).into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of the text of all shaders.
fn shaders() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| {
        let mut hash = Sha256::new();
        for (path, text) in template::files() {
            for part in [path, text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize())
    })
}

impl fmt::Display for CacheFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
