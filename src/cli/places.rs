//! Places of results: in one form, and whether they can be written.

use super::failure::Failure;
use srdiff::atomic_file::{Identity, folder_of};
use srdiff::image::{ImageError, ImageProblem, check_writable};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Files that are read, over which nothing is written.
pub struct Kept(HashSet<Identity>);

impl Kept {
    pub fn new<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(files.into_iter().filter_map(Identity::of).collect())
    }

    /// Refuses an output, which `option` names, that is one of them.
    pub fn check(&self, option: &'static str, output: &Path) -> Result<(), Failure> {
        match Identity::of(output).is_some_and(|file| self.0.contains(&file)) {
            true => Err(Failure::SameFile {
                option,
                path: output.to_owned(),
            }),
            false => Ok(()),
        }
    }
}

/// Places that are taken, by whom.
#[derive(Default)]
pub struct Taken<T> {
    places: Places,
    exact: HashMap<OsString, T>,
    /// In lower case.
    folded: HashMap<OsString, T>,
}

impl<T: Copy> Taken<T> {
    /// Takes a place. Gives who has it already, also by a name that the file system
    /// does not tell from it.
    pub fn take(&mut self, path: &Path, by: T) -> Option<T> {
        self.take_where(path, by, ignores_case)
    }

    fn take_where(&mut self, path: &Path, by: T, ignores_case: fn(&Path) -> bool) -> Option<T> {
        let place = self.places.of(path);
        let folded = match place.to_str() {
            Some(text) => text.to_lowercase().into(),
            None => place.clone(),
        };
        let before = self.exact.insert(place, by);
        let alike = self.folded.insert(folded, by);
        before.or_else(|| alike.filter(|_| ignores_case(path)))
    }
}

/// Whether names that differ in case only would be one where `path` is to be.
fn ignores_case(path: &Path) -> bool {
    let mut folder = path.parent().unwrap_or(path);
    while let Some(parent) = folder.parent().filter(|_| is_absent(folder)) {
        folder = parent;
    }
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let mut probe = tempfile::Builder::new();
    // Whatever is left of it goes as other leftovers do.
    let probe = probe.prefix(".srdiff-").suffix(".tmp").tempfile_in(folder);
    probe.is_ok_and(|probe| {
        let name = probe.path().file_name().unwrap_or_default();
        let other = name.to_string_lossy().to_uppercase();
        probe.path().with_file_name(other).exists()
    })
}

/// Paths in one form, whether there is a file or not.
#[derive(Default)]
pub struct Places(HashMap<PathBuf, PathBuf>);

impl Places {
    pub fn of(&mut self, path: &Path) -> OsString {
        let folder = folder_of(path);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_are_one_place_where_case_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let names = ["out/A.png", "out/a.png", "out/\u{c9}.png", "out/\u{e9}.png"];
        let takers = |ignores_case: fn(&Path) -> bool| {
            let mut taken = Taken::default();
            names.map(|name| taken.take_where(&path(name), name, ignores_case))
        };
        let alike = [None, Some(names[0]), None, Some(names[2])];
        assert_eq!(takers(|_| true), alike);
        assert_eq!(takers(|_| false), [None; 4]);
        let mut taken = Taken::default();
        let twice = ["A.png", "a.png", "./A.png"];
        let before = twice.map(|name| taken.take_where(&path(name), name, |_| false));
        assert_eq!(before, [None, None, Some("A.png")]);
    }

    #[test]
    fn whether_case_is_ignored_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let ignored = folder.path().join("A").exists();
        assert_eq!(ignores_case(&folder.path().join("new/b")), ignored);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
