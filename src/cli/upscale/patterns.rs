//! Patterns of file names, expanded as a shell does it, whatever their case.
//!
//! `glob` has the syntax of a name. Its own search takes no names that are not
//! UTF-8: it panics or leaves them out.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf, is_separator};
use std::{fs, io};
use walkdir::WalkDir;

/// A path with wildcards.
pub struct Pattern {
    parts: Vec<Part>,
    /// It ends in a separator.
    is_of_folders: bool,
}

enum Part {
    /// A name as it stands, or where a path starts.
    Fixed(PathBuf),
    Wildcards(glob::Pattern),
    /// `**`: a folder and all below it.
    Below,
}

impl Pattern {
    /// None if the path has no wildcards, or wrong ones.
    pub fn new(path: &Path) -> Option<Self> {
        let parts = path.components().filter(|c| *c != Component::CurDir);
        let parts = parts.map(|part| Part::new(part.as_os_str()));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let has_wildcards = parts.iter().any(|part| !matches!(part, Part::Fixed(_)));
        has_wildcards.then_some(Self {
            parts,
            is_of_folders: path.to_string_lossy().ends_with(is_separator),
        })
    }

    /// The folders before the first wildcard.
    pub fn fixed(&self) -> PathBuf {
        let fixed = self.parts.iter().map_while(|part| match part {
            Part::Fixed(name) => Some(name),
            _ => None,
        });
        fixed.collect()
    }

    /// What it matches and is no folder. `on_error` is told of folders that
    /// cannot be read.
    pub fn files(&self, on_error: &mut dyn FnMut(&Path, io::Error)) -> Vec<PathBuf> {
        if self.is_of_folders {
            return Vec::new();
        }
        let mut found = vec![PathBuf::new()];
        for part in &self.parts {
            found = match part {
                Part::Fixed(name) => {
                    let named = found.into_iter().map(|folder| folder.join(name));
                    // A link that leads nowhere is there, too.
                    named.filter(|path| is_there(path)).collect()
                }
                Part::Wildcards(names) => {
                    let named = found.iter().map(|folder| matching(folder, names, on_error));
                    named.flatten().collect()
                }
                Part::Below => {
                    let below = found.iter().map(|folder| folders_below(folder, on_error));
                    below.flatten().collect()
                }
            };
        }
        found.retain(|path| !shown(path).is_dir());
        found
    }
}

impl Part {
    fn new(name: &OsStr) -> Option<Self> {
        let text = text(name);
        Some(match &*text {
            "**" => Self::Below,
            text if text.contains(['*', '?', '[']) => {
                Self::Wildcards(glob::Pattern::new(text).ok()?)
            }
            _ => Self::Fixed(name.into()),
        })
    }
}

/// The path by which a folder is read.
fn shown(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(shown(path)).is_ok()
}

/// What is in a folder, if it is one, under a name that matches.
fn matching(
    folder: &Path,
    names: &glob::Pattern,
    on_error: &mut dyn FnMut(&Path, io::Error),
) -> Vec<PathBuf> {
    let options = glob::MatchOptions {
        // Cameras write `.JPG`.
        case_sensitive: false,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    if !shown(folder).is_dir() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let listed = fs::read_dir(shown(folder)).and_then(|entries| {
        for entry in entries {
            let name = entry?.file_name();
            if names.matches_with(&text(&name), options) {
                found.push(folder.join(name));
            }
        }
        Ok(())
    });
    listed.unwrap_or_else(|error| on_error(folder, error));
    found
}

/// A folder, if it is one, and those below it that are not hidden. Links are
/// followed, if they do not lead back.
fn folders_below(folder: &Path, on_error: &mut dyn FnMut(&Path, io::Error)) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let walk = WalkDir::new(shown(folder)).follow_links(true);
    let is_wanted = |entry: &walkdir::DirEntry| {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        entry.file_type().is_dir() && (entry.depth() == 0 || !is_hidden)
    };
    for entry in walk.into_iter().filter_entry(is_wanted) {
        match entry {
            Ok(entry) => {
                let below = entry.path().strip_prefix(shown(folder));
                found.push(folder.join(below.unwrap_or(Path::new(""))));
            }
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let is_of_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
                // One that leads nowhere or back leads to no folder.
                if let (false, Some(error)) = (is_of_link, error.into_io_error()) {
                    on_error(&path, error);
                }
            }
        }
    }
    found
}

/// A name as text in which every byte that is no UTF-8 is a character of its
/// own, of those that nobody uses: so patterns match any name.
fn text(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        let unused = |&byte: &u8| char::from_u32(0x0010_ff00 + u32::from(byte));
        text.extend(chunk.invalid().iter().filter_map(unused));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_leaves_open_is_mirrored() {
        let fixed = |pattern: &str| {
            let pattern = Pattern::new(Path::new(pattern)).unwrap();
            pattern.fixed().display().to_string()
        };
        assert_eq!(fixed("scans/**/*.tif"), "scans");
        assert_eq!(fixed("a/b/c?.png"), "a/b");
        assert_eq!(fixed("./a/*.png"), "a");
        assert_eq!(fixed("*.png"), "");
        assert_eq!(fixed("/a/[bc]/d.png"), "/a");
        for plain in ["a.png", "a[.png", "a***.png", "a**/b.png", "a]"] {
            assert!(Pattern::new(Path::new(plain)).is_none(), "{plain}");
        }
    }

    /// Files by a pattern in a folder, without that folder.
    fn found(folder: &Path, pattern: &str) -> Vec<PathBuf> {
        let pattern = Pattern::new(&folder.join(pattern)).unwrap();
        let mut files = pattern.files(&mut |path, error| panic!("{}: {error}", path.display()));
        files.sort();
        let own = |file: &PathBuf| file.strip_prefix(folder).unwrap().to_owned();
        files.iter().map(own).collect()
    }

    #[test]
    fn files_are_found_by_what_their_names_have() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/b", "a/.c", "d.png"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in [
            "1.png",
            "2.PNG",
            ".3.png",
            "a/4.png",
            "a/b/5.png",
            "a/.c/6.png",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for (pattern, expected) in [
            ("*.png", &["1.png", "2.PNG"][..]),
            (".*.png", &[".3.png"]),
            ("[12].*", &["1.png", "2.PNG"]),
            ("[!1].*", &["2.PNG"]),
            ("?/*", &["a/4.png"]),
            ("*/b/5.png", &["a/b/5.png"]),
            ("a/../?.png", &["a/../1.png", "a/../2.PNG"]),
            ("**/*.png", &["1.png", "2.PNG", "a/4.png", "a/b/5.png"]),
            ("a/**/b/**/?.png", &["a/b/5.png"]),
            ("a/.c/*", &["a/.c/6.png"]),
            ("**", &[]),
            ("1.pn?/", &[]),
            ("*.png/*", &[]),
            ("x/*", &[]),
        ] {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found(folder.path(), pattern), expected, "{pattern}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_are_found() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let name = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let files = [name(b"\xc3\xa9.png"), name(b"\xe9\xff.png")];
        for file in &files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        fs::create_dir(folder.path().join(name(b"d\xff"))).unwrap();
        let deep = name(b"d\xff/x.png");
        fs::write(folder.path().join(&deep), "").unwrap();
        assert_eq!(found(folder.path(), "*.png"), files);
        assert_eq!(found(folder.path(), "?.png"), files[..1]);
        assert_eq!(found(folder.path(), "??.png"), files[1..]);
        assert_eq!(found(folder.path(), "*/*.png"), std::slice::from_ref(&deep));
        assert_eq!(found(folder.path(), "**/x.png"), [deep]);
        let pattern = folder.path().join(name(b"\xe9*.png"));
        let found = Pattern::new(&pattern).unwrap().files(&mut |_, _| ());
        assert_eq!(found, [folder.path().join(&files[1])]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_unless_they_lead_back() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("a")).unwrap();
        fs::create_dir(path("b")).unwrap();
        fs::write(path("b/1.png"), "").unwrap();
        symlink("../b", path("a/other")).unwrap();
        symlink("..", path("a/back")).unwrap();
        symlink("nowhere", path("a/lost.png")).unwrap();
        let expected = ["a/lost.png", "a/other/1.png"].map(PathBuf::from);
        assert_eq!(found(folder.path(), "a/**/*.png"), expected);
    }
}
