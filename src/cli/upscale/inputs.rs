//! Which images are meant: files, folders, patterns, lists, standard input.

mod folders;

use super::UpscaleArgs;
use super::list::paths_in;
use super::patterns::Pattern;
use crate::cli::failure::{Failure, plainly};
use crate::cli::other_formats::OtherFormats;
use folders::Below;
use srdiff::atomic_file::is_same_file;
use srdiff::image::{Frame, has_extension};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek};
use std::path::{Path, PathBuf};
use std::{fs, io};
use walkdir::{DirEntry, WalkDir};

/// An image to upscale.
#[derive(Debug)]
pub struct Input {
    /// Its path, or what messages call standard input.
    pub path: PathBuf,
    /// What standard input held.
    pub stdin: Option<File>,
    /// Where it is below the folder that was named, which is also where its
    /// result goes below the output folder.
    pub subfolder: PathBuf,
    /// Whether it was found in a folder or by a pattern, and not named.
    pub is_found: bool,
    /// Whether it is in a list, and in the folder of the results.
    pub is_among_results: bool,
    /// Which of several frames or pages it is.
    pub frame: Option<NumberedFrame>,
    /// What was noted about the frames of its file, if it is the only one.
    pub notes: Vec<String>,
    /// Its number in the order in which images were named and found.
    pub order: usize,
}

/// One of several frames or pages of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberedFrame {
    /// From 1.
    pub number: usize,
    pub count: usize,
    pub frame: Frame,
}

/// A file that cannot be read, and why.
#[derive(Debug)]
pub struct Unread {
    pub path: PathBuf,
    pub failure: Failure,
}

/// All images that are meant.
#[derive(Debug, Default)]
pub struct Inputs {
    /// By name.
    pub list: Vec<Input>,
    /// Those left out, since they are in the folder of the results.
    pub results: Vec<PathBuf>,
    /// What could not be looked into.
    pub problems: Vec<Failure>,
    /// Files whose frames cannot be found, by name.
    pub unread: Vec<Unread>,
    /// What the user should know about them, one line each.
    pub notes: Vec<String>,
    /// Whether one image was named, and no folder, pattern or list.
    pub is_single: bool,
}

/// Finds the images. Those in `output`, below a folder that is searched, and those
/// there of a pattern that matches others, too, are left out: they are results.
pub fn collect(args: &UpscaleArgs, output: Option<&Path>) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::default();
    let output = output.and_then(|folder| fs::canonicalize(folder).ok());
    let is_stdin = |path: &Path| path.as_os_str() == "-";
    let named = args.named();
    if named.iter().any(|path| is_stdin(path)) && args.from_file.as_deref().is_some_and(is_stdin) {
        let message = "--from-file -: standard input cannot be both a list and an image";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut stdin = false;
    for path in &named {
        if is_stdin(path) {
            if !std::mem::replace(&mut stdin, true) {
                inputs.list.push(read_stdin()?);
            }
        } else if path.is_dir() {
            inputs.search(path, args.recursive, output.as_deref());
        } else if let Some(pattern) = pattern(path) {
            inputs.expand(path, &pattern, output.as_deref());
        } else {
            inputs.is_single = named.len() == 1 && args.from_file.is_none();
            inputs.add(path.to_path_buf(), PathBuf::new(), false);
        }
    }
    if let Some(list) = &args.from_file {
        inputs.read_list(list, output.as_deref())?;
    }
    inputs.is_single |= stdin && named.len() == 1 && args.from_file.is_none();
    for (order, input) in inputs.list.iter_mut().enumerate() {
        input.order = order;
    }
    inputs.list.sort_by(|a, b| a.path.cmp(&b.path));
    inputs.list.dedup_by(|a, b| {
        // Other forms of a path are noticed by their results.
        let is_same = a.path.as_os_str() == b.path.as_os_str();
        b.is_found &= a.is_found || !is_same;
        b.is_among_results &= a.is_among_results || !is_same;
        is_same
    });
    Ok(inputs)
}

impl Inputs {
    fn add(&mut self, path: PathBuf, subfolder: PathBuf, is_found: bool) {
        self.list.push(Input {
            subfolder,
            is_found,
            ..Input::named(path)
        });
    }

    fn fails(&mut self, path: &Path, reason: impl Into<String>) {
        self.problems.push(Failure::Unsuitable {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }

    /// Takes the images of a folder that are not hidden.
    fn search(&mut self, folder: &Path, recursive: bool, output: Option<&Path>) {
        let known = self.list.len() + self.problems.len();
        let mut others = OtherFormats::default();
        let depth = if recursive { usize::MAX } else { 1 };
        let is_output = |entry: &DirEntry| {
            entry.file_type().is_dir()
                && output.is_some()
                && fs::canonicalize(entry.path()).ok().as_deref() == output
        };
        // A folder that was named is searched, even if results go there, too.
        let is_wanted =
            |entry: &DirEntry| entry.depth() == 0 || !(is_hidden(entry) || is_output(entry));
        let walk = WalkDir::new(folder).max_depth(depth).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(is_wanted) {
            match entry {
                Ok(entry) => {
                    let path = entry.path();
                    if !has_extension(path) {
                        others.count(path);
                        continue;
                    }
                    // Links to files are followed, to folders not: they may go round.
                    let metadata = fs::metadata(path);
                    if let Err(error) = &metadata
                        && entry.path_is_symlink()
                    {
                        let path = path.display();
                        let note = format!("{path}: a link that leads to no file ({error})");
                        self.notes.push(format!("{note} was left out"));
                    }
                    if metadata.is_ok_and(|metadata| metadata.is_file()) {
                        let parent = path.parent().unwrap_or(folder);
                        let subfolder = parent.strip_prefix(folder).unwrap_or(Path::new(""));
                        self.add(path.to_owned(), subfolder.to_owned(), true);
                    }
                }
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    let error = error.io_error().map(ToString::to_string);
                    let error = error.unwrap_or_else(|| "links in a circle".to_owned());
                    self.fails(&path, not_searched(&error));
                }
            }
        }
        if self.list.len() + self.problems.len() == known {
            let advice = if recursive {
                "name another folder"
            } else {
                "name another folder, or search subfolders, too, with --recursive"
            };
            let reason = match others.told() {
                None => format!("is a folder that holds no images; {advice}"),
                Some((what, _)) => format!(
                    "is a folder that holds no images but {what}; convert to another format, or {advice}"
                ),
            };
            self.fails(folder, reason);
        } else {
            self.notes.extend(others.note(folder));
        }
    }

    /// Takes the files that a pattern matches.
    fn expand(&mut self, path: &Path, pattern: &Pattern, output: Option<&Path>) {
        let problems = self.problems.len();
        let fixed = pattern.fixed();
        let files = pattern.files(&mut |folder, error| {
            self.fails(folder, not_searched(&error.to_string()));
        });
        if files.is_empty() && self.problems.len() == problems {
            self.fails(path, "matches no files; check the pattern");
        }
        // A folder that was named is searched, even if results go there, too.
        let mut output = output.map(Below::new);
        if output
            .as_mut()
            .is_some_and(|output| output.has(&fixed.join("any")))
        {
            output = None;
        }
        let is_result = |path: &PathBuf| output.as_mut().is_some_and(|output| output.has(path));
        let (results, mut meant): (Vec<_>, Vec<_>) = files.into_iter().partition(is_result);
        // If all are there, they are what is meant.
        match meant.is_empty() {
            true => meant = results,
            false => self.results.extend(results),
        }
        for path in meant {
            let parent = path.parent().unwrap_or(Path::new(""));
            let subfolder = parent.strip_prefix(&fixed).unwrap_or(Path::new(""));
            let subfolder = subfolder.to_owned();
            self.add(path, subfolder, true);
        }
    }

    /// Takes the files that a list names.
    fn read_list(&mut self, list: &Path, output: Option<&Path>) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let read = if list.as_os_str() == "-" {
            io::stdin().lock().read_to_end(&mut bytes)
        } else {
            File::open(list).and_then(|mut file| file.read_to_end(&mut bytes))
        };
        let paths = read.and_then(|_| paths_in(&bytes));
        let paths = paths.map_err(|error| Failure::List(list.to_owned(), error))?;
        if paths.is_empty() {
            self.problems.push(Failure::EmptyList(list.to_owned()));
        }
        let mut output = output.map(Below::new);
        for path in paths {
            let is_among_results = output.as_mut().is_some_and(|output| output.has(&path));
            self.list.push(Input {
                is_among_results,
                ..Input::named(path)
            });
        }
        Ok(())
    }
}

/// Keeps what standard input holds in a file without a name: decoders seek.
fn read_stdin() -> Result<Input, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let message = "-: standard input is a terminal; send an image into it, as in `srdiff - < photo.jpg > large.png`";
        return Err(Failure::Usage(message.to_owned()));
    }
    let path = PathBuf::from("standard input");
    let kept = tempfile::tempfile().and_then(|mut file| {
        io::copy(&mut stdin.lock(), &mut file)?;
        file.rewind()?;
        Ok(file)
    });
    match kept {
        Ok(file) => Ok(Input {
            stdin: Some(file),
            ..Input::named(path)
        }),
        Err(error) => {
            let reason = format!(
                "cannot be kept in {} ({}); make room there, or name another folder in TMPDIR",
                std::env::temp_dir().display(),
                plainly(&error)
            );
            Err(Failure::Unsuitable { path, reason })
        }
    }
}

impl Input {
    /// One that is named itself.
    pub fn named(path: PathBuf) -> Self {
        Self {
            path,
            stdin: None,
            subfolder: PathBuf::new(),
            is_found: false,
            is_among_results: false,
            frame: None,
            notes: Vec::new(),
            order: 0,
        }
    }

    /// A frame of it.
    pub fn with_frame(&self, frame: NumberedFrame) -> Self {
        Self {
            subfolder: self.subfolder.clone(),
            is_found: self.is_found,
            is_among_results: self.is_among_results,
            frame: Some(frame),
            order: self.order,
            ..Self::named(self.path.clone())
        }
    }

    /// The path that names are made from.
    pub fn name(&self) -> &Path {
        match self.stdin {
            Some(_) => Path::new("stdin"),
            None => &self.path,
        }
    }

    /// Whether two are one image.
    pub fn is_same(&self, other: &Self) -> bool {
        self.stdin.is_none()
            && other.stdin.is_none()
            && self.frame == other.frame
            && is_same_file(&self.path, &other.path)
    }

    /// The path, and which frame or page it is of several, for messages.
    pub fn shown(&self) -> String {
        match self.frame {
            None => self.path.display().to_string(),
            Some(NumberedFrame { number, count, .. }) => {
                format!("{} ({number} of {count})", self.path.display())
            }
        }
    }
}

fn not_searched(reason: &str) -> String {
    format!("cannot be searched ({reason}); check its permissions")
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

/// The pattern that a path is, if it is no file.
fn pattern(path: &Path) -> Option<Pattern> {
    let is_there = fs::symlink_metadata(path).is_ok();
    Pattern::new(path).filter(|_| !is_there)
}
