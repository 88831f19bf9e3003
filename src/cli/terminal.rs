//! Text to the terminal. A reader that has gone away (`| head`) is no error.

use std::io::Write;

/// Writes to stdout what the command was asked for.
pub fn answer(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// Writes a line to stderr about how it goes.
pub fn status(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
