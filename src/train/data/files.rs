//! Which images are meant.

use super::DataError;
use crate::image::has_extension;
use std::path::PathBuf;
use walkdir::{DirEntry, WalkDir};

/// The images of folders and their subfolders that are not hidden, and the files
/// that are named, sorted.
///
/// # Errors
/// When a folder cannot be searched or a path leads nowhere.
pub fn find_images(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            if !input.exists() {
                return Err(DataError::Missing(input.clone()));
            }
            found.push(input.clone());
            continue;
        }
        let is_wanted = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry);
        for entry in WalkDir::new(input).into_iter().filter_entry(is_wanted) {
            let entry = entry.map_err(|error| DataError::Search {
                folder: error.path().unwrap_or(input).to_owned(),
                reason: match error.io_error() {
                    Some(error) => error.to_string(),
                    None => "links in a circle".to_owned(),
                },
            })?;
            if has_extension(entry.path()) && entry.path().is_file() {
                found.push(entry.into_path());
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}
