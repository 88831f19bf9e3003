//! What is to be known of the folders that images are looked for in.

use srdiff::atomic_file::folder_of;
use srdiff::image::other_extension;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::DirEntry;

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

/// Files of a folder that are images of formats that are not read.
#[derive(Default)]
pub struct Others {
    count: usize,
    extensions: BTreeSet<&'static str>,
}

impl Others {
    pub fn count(&mut self, entry: &DirEntry) {
        let extension = other_extension(entry.path()).filter(|_| entry.file_type().is_file());
        self.count += extension.iter().len();
        self.extensions.extend(extension);
    }

    /// What they are, if there are any, and the verb that goes with it.
    pub fn told(&self) -> Option<(String, &'static str)> {
        let extensions: Vec<_> = self.extensions.iter().map(|e| format!(".{e}")).collect();
        let extensions = extensions.join(", ");
        match self.count {
            0 => None,
            1 => Some((
                format!("1 file of a format that is not read ({extensions})"),
                "was",
            )),
            count => Some((
                format!("{count} files of formats that are not read ({extensions})"),
                "were",
            )),
        }
    }
}
