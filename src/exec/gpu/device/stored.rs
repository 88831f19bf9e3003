//! Compiled pipelines that are kept from run to run, where the driver hands
//! them out (Vulkan).

use super::adapter::Gpu;
use crate::exec::gpu::{CacheFolder, Identity};
use crate::exec::lock;
use sha2::{Digest, Sha256};
use std::sync::Mutex;

/// Of our files. Raised when they get another form.
const MAGIC: &[u8; 16] = b"srdiff pipelines";
const HASH: usize = 32;
const HEADER: usize = MAGIC.len() + 2 * HASH;

/// More is not kept: a driver that hands out so much would slow down every
/// start.
const MOST_BYTES: usize = 128 << 20;

/// The driver's pipelines, and the file that they are kept in.
#[derive(Debug)]
pub(super) struct StoredPipelines {
    pub cache: wgpu::PipelineCache,
    folder: CacheFolder,
    identity: Identity,
    saved: Mutex<Saved>,
}

/// What is in the file.
#[derive(Debug)]
struct Saved {
    /// Compiled pipelines when it was looked at last.
    compiled: usize,
    /// Bytes of the driver's data.
    bytes: usize,
}

impl StoredPipelines {
    /// Opens the file, and says why it cannot be used if there is one that
    /// cannot. None if the device has no such pipelines.
    pub fn open(
        device: &wgpu::Device,
        identity: Identity,
        folder: &CacheFolder,
    ) -> (Option<Self>, Option<String>) {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return (None, None);
        }
        let name = identity.file_name("pipelines", "bin");
        let read = match folder.read(&name) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => match unpacked(&bytes, &identity) {
                Ok(data) => Ok(Some(data.to_vec())),
                Err(reason) => Err(reason.to_owned()),
            },
            Err(error) => Err(format!("cannot be read ({error})")),
        };
        let (data, note) = match read {
            Ok(data) => (data, None),
            Err(reason) => {
                let path = folder.path(&name);
                let note = format!("{}: {reason}, so it is made anew", path.display());
                (None, Some(note))
            }
        };
        let validity = device.push_error_scope(wgpu::ErrorFilter::Validation);
        // SAFETY: the data is none, or has the form of our own files, is
        // undamaged by its SHA-256, and was returned by `get_data` on this
        // adapter with this driver, by its identity. wgpu holds its own header
        // against the adapter besides. That nobody else has made such a file is
        // as sure as that nobody has changed the program itself: both belong to
        // the user.
        let cache = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("srdiff"),
                data: data.as_deref(),
                fallback: true,
            })
        };
        let refused = pollster::block_on(validity.pop());
        let stored = refused.is_none().then(|| Self {
            cache,
            folder: folder.clone(),
            identity,
            saved: Mutex::new(Saved {
                compiled: 0,
                bytes: data.as_ref().map_or(0, Vec::len),
            }),
        });
        (stored, note)
    }

    /// Writes the file if more pipelines were compiled since it was written.
    fn save(&self, compiled: usize) -> Result<(), String> {
        let mut saved = lock(&self.saved);
        if saved.compiled == compiled {
            return Ok(());
        }
        saved.compiled = compiled;
        let Some(data) = self.cache.get_data() else {
            return Ok(());
        };
        // What the driver took from the file is there already.
        if data.len() <= saved.bytes || data.len() > MOST_BYTES {
            return Ok(());
        }
        saved.bytes = data.len();
        let name = self.identity.file_name("pipelines", "bin");
        let packed = packed(&data, &self.identity);
        self.folder.write(&name, &packed).map_err(|error| {
            let path = self.folder.path(&name);
            format!(
                "{}: cannot be written ({error}), so kernels will be compiled again",
                path.display()
            )
        })
    }
}

impl Gpu {
    /// Writes compiled pipelines to the folder that they are kept in, if there
    /// are new ones.
    ///
    /// # Errors
    /// One sentence: why the file cannot be written.
    pub fn save_pipelines(&self) -> Result<(), String> {
        match &self.stored {
            Some(stored) => stored.save(self.pipelines.len()),
            None => Ok(()),
        }
    }
}

/// A file: magic, identity, the data's checksum, the data.
fn packed(data: &[u8], identity: &Identity) -> Vec<u8> {
    let checksum: [u8; HASH] = Sha256::digest(data).into();
    [&MAGIC[..], &identity.hash(), &checksum, data].concat()
}

/// The data of a file.
fn unpacked<'a>(bytes: &'a [u8], identity: &Identity) -> Result<&'a [u8], &'static str> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err("is damaged");
    }
    let (header, data) = bytes.split_at(HEADER);
    let (made_with, checksum) = header[MAGIC.len()..].split_at(HASH);
    if made_with != identity.hash() {
        return Err("is of another driver, or of another version of srdiff");
    }
    let found: [u8; HASH] = Sha256::digest(data).into();
    match checksum == found {
        true => Ok(data),
        false => Err("is damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::gpu::AdapterSummary;

    fn identity(driver: &str) -> Identity {
        Identity::of(&AdapterSummary {
            driver: driver.to_owned(),
            ..AdapterSummary::baseline()
        })
    }

    #[test]
    fn only_an_undamaged_file_of_the_same_driver_is_used() {
        let good = packed(b"compiled", &identity("driver 1"));
        assert_eq!(unpacked(&good, &identity("driver 1")), Ok(&b"compiled"[..]));
        let other = unpacked(&good, &identity("driver 2"));
        assert!(other.unwrap_err().contains("another driver"));
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            assert!(unpacked(&damaged, &identity("driver 1")).is_err(), "{at}");
            assert!(
                unpacked(&good[..at], &identity("driver 1")).is_err(),
                "{at}"
            );
        }
    }
}
