//! Text of files in messages, which must not act on a terminal.

/// Escapes control characters, and others that are invisible or change how
/// the text after them is shown.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // `escape_debug` would also escape these.
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// As [`escaped`], for the first 200 characters.
pub fn printable(text: &str) -> String {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => escaped(&text[..end]) + "...",
        None => escaped(text),
    }
}
