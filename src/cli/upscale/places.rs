//! Places of results: in one form, and whether they can be written.

use crate::cli::failure::Failure;
use srdiff::image::{ImageError, ImageProblem, check_writable};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Paths in one form, whether there is a file or not.
#[derive(Default)]
pub struct Places(HashMap<PathBuf, PathBuf>);

impl Places {
    pub fn of(&mut self, path: &Path) -> OsString {
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => path,
        };
        let known = self.0.entry(folder.to_owned());
        let folder = known.or_insert_with(|| fs::canonicalize(folder).unwrap_or(folder.to_owned()));
        folder.join(path.file_name().unwrap_or_default()).into()
    }
}

pub fn is_absent(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && fs::metadata(folder).is_err()
}

/// Whether a path is of a pipe or device.
pub fn is_stream(path: &Path) -> bool {
    let is_other = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    path == "/dev/stdout" || fs::metadata(path).is_ok_and(is_other)
}

/// Checks that a file can be made in a folder that may have to be made first.
pub fn check_place(path: &Path) -> Result<(), ImageError> {
    let mut missing = path;
    while let Some(parent) = missing.parent().filter(|parent| is_absent(parent)) {
        missing = parent;
    }
    match check_writable(missing, true) {
        // A file called `result`, perhaps; its folder is what counts.
        Err(error)
            if matches!(
                error.problem,
                ImageProblem::Folder | ImageProblem::NotRegular
            ) =>
        {
            Ok(())
        }
        checked => checked,
    }
}

/// Makes the folder of a result.
pub fn make_folder(output: &Path) -> Result<(), Failure> {
    let Some(folder) = output.parent().filter(|folder| is_absent(folder)) else {
        return Ok(());
    };
    fs::create_dir_all(folder).map_err(|error: io::Error| {
        Failure::Output(ImageError {
            file: output.to_owned(),
            problem: ImageProblem::Write(error),
        })
    })
}
