//! What is wrong with files, and what of it can be tolerated.

use super::super::error::{ImageProblem, innermost_message};
use super::DecodeOptions;
use std::error::Error;
use std::io;

/// A file that ends before its image does.
pub fn cut_off() -> ImageProblem {
    ImageProblem::Incomplete("it ends before the end of the image".to_owned())
}

/// The note of a file that has all its pixels and nothing after them.
pub const END_IS_MISSING: &str = "its end marker is missing";

/// Why there is no image to give, however tolerant one is.
pub fn nothing_read(problem: ImageProblem) -> ImageProblem {
    match problem.into_damage() {
        ImageProblem::Damaged(reason) => {
            ImageProblem::Damaged(format!("none of its pixels can be read: {reason}"))
        }
        problem => problem,
    }
}

/// What an I/O error inside a decoder means: decoders report wrong bytes that
/// way too, but the system's own errors carry its code.
pub fn io_problem(error: io::Error) -> ImageProblem {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        cut_off()
    } else if error.kind() == io::ErrorKind::OutOfMemory {
        ImageProblem::NoMemory
    } else if error.raw_os_error().is_some() {
        ImageProblem::Read(error)
    } else {
        ImageProblem::Damaged(innermost_message(&error))
    }
}

/// Fails with a problem of a part of the file that can be left out, or leaves
/// it out with a note.
pub fn tolerate(
    problem: ImageProblem,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<(), ImageProblem> {
    match problem {
        ImageProblem::Incomplete(what) if options.tolerant => {
            let note = format!("read as far as possible: {what}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            Ok(())
        }
        problem => Err(problem),
    }
}

/// Wrong bytes, in the words of the decoder that found them.
pub fn damaged(error: &dyn Error) -> ImageProblem {
    ImageProblem::Damaged(innermost_message(error))
}
