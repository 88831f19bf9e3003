//! Files that appear whole or not at all: written without a name where the
//! system can do that, else beside their place under another name.

use std::{
    fmt, fs,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// How the names of temporary files begin and end.
const TEMPORARY: (&str, &str) = (".srdiff-", ".tmp");

/// Why a file cannot be written; whatever was in its place is as it was.
#[derive(Debug)]
pub enum Fault {
    /// It is there already, and not to be overwritten.
    Exists,
    /// A folder is in its place.
    Folder,
    /// A device, pipe or socket is in its place.
    NotRegular,
    /// The folder that would hold it is not there.
    NoFolder(PathBuf),
    /// What would be a folder above it is none.
    NotAFolder(PathBuf),
    /// The system refuses.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("it is there already"),
            Self::Folder => f.write_str("it is a directory"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::NoFolder(_) => f.write_str("there is no such folder"),
            Self::NotAFolder(path) => write!(f, "{} is no folder", path.display()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Checks, before any work is done, that [`write()`] will find a place for
/// `path`. Leaves nothing behind.
///
/// # Errors
/// When the folder does not exist or cannot be written to, `path` is a folder
/// or a device, or it exists and `overwrite` is not set.
pub fn check(path: &Path, overwrite: bool) -> Result<(), Fault> {
    let target = target(path, overwrite)?;
    if nameless::create(folder_of(&target))?.is_none() {
        // Removed when dropped.
        temporary(&target)?;
    }
    Ok(())
}

/// Writes a file. A link is followed to what it names, and a file that is
/// replaced leaves its permissions to the new one; other names of it (hard
/// links) keep what it was.
///
/// # Errors
/// As [`check`]; when the disk is full or fails.
pub fn write(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), Fault> {
    let mut draft = Draft::create(path, overwrite)?;
    draft.file().write_all(bytes)?;
    draft.commit()
}

/// A file in the making, which vanishes when it is dropped.
#[derive(Debug)]
pub struct Draft {
    file: Place,
    target: PathBuf,
    overwrite: bool,
}

#[derive(Debug)]
enum Place {
    /// Vanishes with the program, however it ends.
    Nameless(fs::File),
    Named(NamedTempFile),
}

impl Draft {
    /// Begins a file that will be at `path`, as [`write()`] puts it there.
    ///
    /// # Errors
    /// As [`check`].
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, Fault> {
        let target = target(path, overwrite)?;
        let file = match nameless::create(folder_of(&target))? {
            Some(file) => {
                claim(&file);
                Place::Nameless(file)
            }
            None => Place::Named(temporary(&target)?),
        };
        Ok(Self {
            file,
            target,
            overwrite,
        })
    }

    /// The file, to be filled.
    pub fn file(&mut self) -> &mut fs::File {
        match &mut self.file {
            Place::Nameless(file) => file,
            Place::Named(file) => file.as_file_mut(),
        }
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// When the disk is full or fails, or another file has taken the place and
    /// is not to be overwritten.
    pub fn commit(mut self) -> Result<(), Fault> {
        // Else a crash soon after could leave the new name with none of its bytes.
        self.file().sync_all()?;
        let (target, overwrite) = (&self.target, self.overwrite);
        let mut file = match self.file {
            Place::Named(file) => return persist(file, target, overwrite),
            Place::Nameless(file) => file,
        };
        match nameless::link(&file, target) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !overwrite {
                    return Err(Fault::Exists);
                }
                if replace(&file, target).is_ok() {
                    return Ok(());
                }
            }
            // The file system cannot name it.
            Err(_) => {}
        }
        let mut named = temporary(target)?;
        file.rewind()?;
        io::copy(&mut file, named.as_file_mut())?;
        named.as_file().sync_all()?;
        persist(named, target, overwrite)
    }
}

/// Gives a nameless file the place of another, by way of a name beside it:
/// only renaming replaces a file.
fn replace(file: &fs::File, target: &Path) -> io::Result<()> {
    keep_permissions(file, target);
    // Free a moment ago, and nobody else's to choose.
    let name = temporary(target)?.into_temp_path();
    let path = name.to_path_buf();
    name.close()?;
    nameless::link(file, &path)?;
    fs::rename(&path, target).inspect_err(|_| {
        let _ = fs::remove_file(&path);
    })
}

/// Gives a file with a temporary name its own.
fn persist(file: NamedTempFile, target: &Path, overwrite: bool) -> Result<(), Fault> {
    if overwrite {
        keep_permissions(file.as_file(), target);
        file.persist(target).map_err(|error| error.error)?;
        return Ok(());
    }
    match file.persist_noclobber(target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(Fault::Exists),
        // A file system without a rename that spares existing files, nor hard
        // links to make one of: the check just before has to do.
        Err(error) if !target.exists() => {
            error.file.persist(target).map_err(|error| error.error)?;
            Ok(())
        }
        Err(error) => Err(Fault::Io(error.error)),
    }
}

/// As if the file in the place had been written into. No reason to fail.
fn keep_permissions(file: &fs::File, target: &Path) {
    if let Ok(old) = fs::metadata(target) {
        let _ = file.set_permissions(old.permissions());
    }
}

/// Files without a name, which Linux alone has.
#[cfg(target_os = "linux")]
mod nameless {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    /// A file in `folder` with the permissions of any new file; none where
    /// the file system has no such files.
    pub fn create(folder: &Path) -> io::Result<Option<File>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match open(folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Names a file, if the name is free.
    pub fn link(file: &File, target: &Path) -> io::Result<()> {
        let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, handle, CWD, target, AtFlags::SYMLINK_FOLLOW)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod nameless {
    use std::{fs::File, io, path::Path};

    pub fn create(_: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    pub fn link(_: &File, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What tells a file from all others, by whichever of its names, or through
/// whichever links, it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(identity::Key);

impl Identity {
    /// None if there is no such file.
    pub fn of(path: &Path) -> Option<Self> {
        identity::of(path).ok().map(Self)
    }
}

/// Whether two paths lead to one file: by themselves, through links, or as
/// two names of it.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    Identity::of(a).is_some_and(|a| Identity::of(b) == Some(a))
}

#[cfg(unix)]
mod identity {
    use std::os::unix::fs::MetadataExt;
    use std::{fs, io, path::Path};

    /// Its device and its number there.
    pub type Key = (u64, u64);

    pub fn of(path: &Path) -> io::Result<Key> {
        fs::metadata(path).map(|file| (file.dev(), file.ino()))
    }
}

/// The standard library does not tell hard links apart elsewhere. Nothing is
/// lost by that: writing replaces the name, not what else it names.
#[cfg(not(unix))]
mod identity {
    use std::path::{Path, PathBuf};
    use std::{fs, io};

    pub type Key = PathBuf;

    pub fn of(path: &Path) -> io::Result<Key> {
        fs::canonicalize(path)
    }
}

/// The file that writing to `path` would make or replace: where it leads, if
/// it is a link.
fn target(path: &Path, overwrite: bool) -> Result<PathBuf, Fault> {
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(Fault::NotAFolder(folder.to_owned())),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                let there = folder.ancestors().find_map(|path| {
                    let metadata = fs::metadata(path).ok()?;
                    Some((path, metadata.is_dir()))
                });
                return Err(match there {
                    Some((path, false)) => Fault::NotAFolder(path.to_owned()),
                    _ => Fault::NoFolder(folder.to_owned()),
                });
            }
            _ => return Err(Fault::Io(error)),
        },
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(Fault::Folder),
        Ok(metadata) if !metadata.is_file() => Err(Fault::NotRegular),
        Ok(_) if !overwrite => Err(Fault::Exists),
        Ok(_) => Ok(fs::canonicalize(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(io::Error::other("it is a link that leads nowhere").into());
            }
            Ok(path.to_owned())
        }
        Err(error) => Err(Fault::Io(error)),
    }
}

/// A temporary file beside `target`, with the permissions of any new file.
fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // less the umask
    }
    loop {
        // The error itself would name the temporary file.
        let result = builder.tempfile_in(folder_of(target));
        let file = result.map_err(|error| io::Error::from(error.kind()))?;
        claim(file.as_file());
        // Another process may have removed it while nobody held it yet.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Marks a temporary file as one that a living process writes, until it is
/// closed. Where the file system has no locks, leftovers cannot be told from
/// such files, and stay.
fn claim(file: &fs::File) {
    let _ = file.try_lock();
}

/// Removes the temporary files that killed processes have left in a folder.
/// Those of living ones are locked, on whichever computer these run.
pub fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !name.starts_with(TEMPORARY.0) || !name.ends_with(TEMPORARY.1) {
            continue;
        }
        // Some file systems lock only what is open for writing.
        let file = fs::File::options().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// [`remove_leftovers`] of the folder that a file is written to.
pub fn remove_leftovers_beside(path: &Path) {
    remove_leftovers(folder_of(path));
}

/// The folder that holds `path`: `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests;
