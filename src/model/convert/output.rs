//! Writing the model file, whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::{ConvertError, ConvertProblem};

/// Refuses an output that may not be written, before any work is done.
///
/// # Errors
/// When it is the input, a directory or another special file, or is there and
/// not to be replaced.
pub fn check(input: &Path, output: &Path, force: bool) -> Result<(), ConvertError> {
    let Ok(metadata) = fs::metadata(output) else {
        return Ok(());
    };
    let problem = if metadata.is_dir() {
        ConvertProblem::Write("it is a directory".to_owned())
    } else if !metadata.is_file() {
        ConvertProblem::Write("it is not a regular file".to_owned())
    } else if matches!((fs::canonicalize(input), fs::canonicalize(output)), (Ok(a), Ok(b)) if a == b)
    {
        ConvertProblem::SameFile
    } else if !force {
        ConvertProblem::Exists
    } else {
        return Ok(());
    };
    Err(problem.of(output))
}

/// Writes a file beside `output` and renames it.
///
/// # Errors
/// When it cannot be written, or `output` is there and `force` is not set.
pub fn write(output: &Path, bytes: &[u8], force: bool) -> Result<(), ConvertError> {
    try_write(output, bytes, force).map_err(|error| {
        let problem = match error.kind() {
            io::ErrorKind::AlreadyExists if !force => ConvertProblem::Exists,
            _ => ConvertProblem::Write(error.to_string()),
        };
        problem.of(output)
    })
}

fn try_write(output: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".srdiff-").suffix(".tmp");
    // Temporary files are private; a model file is like any other.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The error names the temporary file, which says nothing to anybody.
    let mut file = builder
        .tempfile_in(folder)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("there is no such folder"),
            kind => io::Error::from(kind),
        })?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if force {
        file.persist(output)?;
    } else {
        file.persist_noclobber(output)?;
    }
    Ok(())
}
