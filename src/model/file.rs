//! Reading files through a memory map.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use memmap2::Mmap;

/// Maps a regular file that is not empty.
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    // Asked before opening: to open a named pipe would wait for a writer.
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
    // SAFETY: the map is private to this process and read-only. That nobody
    // truncates or rewrites the file meanwhile is the caller's contract, as
    // documented on the functions that open files; nothing here relies on two
    // reads giving the same bytes.
    unsafe { Mmap::map(&file) }
}
