//! Text to the terminal.

use super::failure::Failure;
use std::io::{ErrorKind, Write};

/// Writes to stdout what the command was asked for. A reader that has gone
/// away (`| head`) is no error.
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

/// Writes a line to stderr about how it goes; if that cannot be told, there is
/// nowhere left to say so.
pub fn status(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
