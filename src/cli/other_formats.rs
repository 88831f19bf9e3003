//! Images that folders are searched for in vain, because their formats are not read.

use srdiff::image::other_extension;
use std::collections::BTreeSet;
use std::path::Path;

/// Files of a folder that are images of formats that are not read.
#[derive(Default)]
pub struct OtherFormats {
    count: usize,
    extensions: BTreeSet<&'static str>,
}

impl OtherFormats {
    /// Counts a file if it is one.
    pub fn count(&mut self, file: &Path) {
        let extension = other_extension(file).filter(|_| file.is_file());
        self.count += extension.iter().len();
        self.extensions.extend(extension);
    }

    /// A note on those of a folder, if there are any.
    pub fn note(&self, folder: &Path) -> Option<String> {
        let (what, were) = self.told()?;
        Some(format!("{}: {what} {were} left out", folder.display()))
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
