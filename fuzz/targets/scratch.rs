//! A file for bytes that are read from a path.

use std::path::PathBuf;

/// Where this process may write; in memory where the system has that.
pub fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from("/dev/shm");
    let folder = match folder.is_dir() {
        true => folder,
        false => std::env::temp_dir(),
    };
    folder.join(format!("srdiff-fuzz-{}-{name}", std::process::id()))
}
