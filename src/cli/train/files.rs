//! The files of a training set.

use crate::cli::failure::Failure;
use crate::cli::upscale::has_extension;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Files that are given, and all that lie in the folders that are given, in the
/// order of their names. What hidden folders hold is left out.
pub fn images(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if !path.exists() {
            let text = format!("{}: there is no such file or folder", path.display());
            return Err(Failure::Usage(text));
        }
        let visible = |name: &Path| {
            let name = name.file_name().unwrap_or_default();
            !name.as_encoded_bytes().starts_with(b".")
        };
        let entries = WalkDir::new(path)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || visible(entry.path()));
        for entry in entries {
            let entry = entry.map_err(|error| {
                Failure::Usage(format!("{}: cannot be read ({error})", path.display()))
            })?;
            if entry.file_type().is_file() && (entry.depth() == 0 || has_extension(entry.path())) {
                files.push(entry.into_path());
            }
        }
    }
    Ok(files)
}
