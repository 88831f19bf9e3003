//! Output to the terminal.

use super::failure::Failure;
use srdiff::upscale::Upscaler;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

/// What standard output is called where a file would be named.
pub const STDOUT: &str = "standard output";

/// Whether a place for a file stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

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

/// Refuses to write an image to stdout where that is a terminal.
pub fn check_takes_images() -> Result<(), Failure> {
    match std::io::stdout().is_terminal() {
        true => Err(Failure::Usage(
            "standard output is a terminal, which shows no images; give -o a file, or send it on with > or |"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// Writes a line to stderr; nothing could report that this failed.
pub fn status(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(line));
}

/// Writes what is to be known of a device to stderr. Whether there was anything.
pub fn notes(upscaler: &mut Upscaler) -> bool {
    let notes = upscaler.take_notes();
    for note in &notes {
        status(&format!("note: {note}"));
    }
    !notes.is_empty()
}

/// The notes on the device, where the reason for it was told: they may have it, too.
pub fn notes_beside_reason(upscaler: &mut Upscaler) -> Vec<String> {
    let mut notes = upscaler.take_notes();
    notes.retain(|note| *note != upscaler.selected().reason);
    notes
}

/// The text with its control characters escaped: file names may hold some,
/// and terminals act on them.
pub fn printable(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            result.extend(character.escape_default());
        } else {
            result.push(character);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_escaped_and_others_are_not() {
        let text = "a\u{1b}[2J\u{7}\n\u{9b}é猫\\.png";
        assert_eq!(printable(text), "a\\u{1b}[2J\\u{7}\\n\\u{9b}é猫\\.png");
    }
}
