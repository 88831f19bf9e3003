//! Output to the terminal.

use super::failure::Failure;
use std::io::{ErrorKind, Write};

/// Writes to stdout. A reader that has closed the pipe (`| head`) is no error.
pub fn answer(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
}

/// Writes a line to stderr; nothing could report that this failed.
pub fn status(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
