//! Memory-mapped files.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use memmap2::Mmap;

pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    // Before opening, because opening a named pipe would wait for a writer.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(io::Error::other("it is empty"));
    }
    let file = File::open(path)?;
    // SAFETY: the map is private to this process and read-only. The caller
    // must keep others from truncating or rewriting the file, as the functions
    // that open files document; no code here relies on two reads giving the
    // same bytes.
    unsafe { Mmap::map(&file) }
}
