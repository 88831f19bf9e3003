//! Writing the model file, whole or not at all.

use std::path::Path;

use super::{ConvertError, ConvertProblem};
use crate::atomic_file::{self, Fault, is_same_file};

/// Refuses an output that cannot or may not be written, before any work is
/// done.
///
/// # Errors
/// When it is the input, a directory or another special file, is there and not
/// to be replaced, or its folder is not there or takes no files.
pub fn check(input: &Path, output: &Path, force: bool) -> Result<(), ConvertError> {
    if is_same_file(input, output) && output.is_file() {
        return Err(ConvertProblem::SameFile.of(output));
    }
    atomic_file::check(output, force).map_err(|fault| problem(fault).of(output))
}

/// Writes the model file.
///
/// # Errors
/// When it cannot be written, or `output` is there and `force` is not set.
pub fn write(output: &Path, bytes: &[u8], force: bool) -> Result<(), ConvertError> {
    atomic_file::write(output, bytes, force).map_err(|fault| problem(fault).of(output))
}

fn problem(fault: Fault) -> ConvertProblem {
    ConvertProblem::Write(match fault {
        Fault::Exists => return ConvertProblem::Exists,
        Fault::Folder => "it is a directory".to_owned(),
        Fault::NotRegular => "it is not a regular file".to_owned(),
        Fault::NoFolder(_) => "there is no such folder".to_owned(),
        Fault::Io(error) => error.to_string(),
    })
}
