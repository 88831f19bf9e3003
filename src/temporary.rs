//! Room on a disk in place of memory.

use crate::host_memory::{NoMemory, Refusal};
use memmap2::{MmapMut, MmapOptions};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::{env, io};

/// The folder of temporary files of any size: the one that is named in TMPDIR, else
/// `/var/tmp`, because `/tmp` is memory on many systems.
pub(crate) fn folder() -> PathBuf {
    let is_named = env::var_os("TMPDIR").is_some_and(|folder| !folder.is_empty());
    let on_disk = Path::new("/var/tmp");
    match cfg!(unix) && !is_named && on_disk.is_dir() {
        true => on_disk.to_owned(),
        false => env::temp_dir(),
    }
}

/// So many zeros in a file without a name, of which nothing is left when the
/// program ends, however it does.
pub(crate) fn map(bytes: usize) -> Result<MmapMut, NoMemory> {
    let refused = |error: io::Error| NoMemory {
        bytes: bytes as u64,
        file: match error.kind() {
            // For its addresses, not for its content.
            io::ErrorKind::OutOfMemory => None,
            _ => Some(Refusal::of(&error)),
        },
    };
    let mut file = tempfile::tempfile_in(folder()).map_err(refused)?;
    fill(&mut file, bytes as u64).map_err(refused)?;
    // SAFETY: the file has no name, so nobody else can change or shorten it.
    let map = unsafe { MmapOptions::new().len(bytes).map_mut(&file) };
    map.map_err(refused)
}

/// Takes the room on the disk now: what is missing when a page is written later could
/// only end the program.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::{Errno, retry_on_intr};
        match retry_on_intr(|| fallocate(&*file, FallocateFlags::empty(), 0, bytes)) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            filled => return Ok(filled?),
        }
    }
    let written = io::copy(&mut io::Read::take(io::repeat(0), bytes), file)?;
    debug_assert_eq!(written, bytes);
    Ok(())
}
