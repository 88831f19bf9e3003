//! Which files lie below a folder.

use srdiff::atomic_file::folder_of;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder, and which others are it or below it. Each is looked at once.
pub struct Below<'a> {
    /// In its canonical form.
    folder: &'a Path,
    known: HashMap<PathBuf, bool>,
}

impl<'a> Below<'a> {
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            known: HashMap::new(),
        }
    }

    /// Whether a file is in the folder or in one below it.
    pub fn has(&mut self, path: &Path) -> bool {
        let parent = folder_of(path);
        if let Some(&is_below) = self.known.get(parent) {
            return is_below;
        }
        let resolved = fs::canonicalize(parent);
        let is_below = resolved.is_ok_and(|resolved| resolved.starts_with(self.folder));
        self.known.insert(parent.to_owned(), is_below);
        is_below
    }
}
