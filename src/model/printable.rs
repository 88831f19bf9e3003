//! Text of files for messages: nothing that would act on a terminal.

/// Text of a file with its control characters, and others that do not show
/// or change how what follows is shown, written as escapes.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Escapes of source code, not of terminals.
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// [`escaped`] text of a bounded length, for one among other words.
pub fn printable(text: &str) -> String {
    const MAX: usize = 200;
    match text.char_indices().nth(MAX) {
        Some((end, _)) => escaped(&text[..end]) + "...",
        None => escaped(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        assert_eq!(escaped("a\u{1b}[2J\r\nb\u{9b}"), r"a\u{1b}[2J\r\nb\u{9b}");
        assert_eq!(escaped("\u{202e}x\u{200b}"), r"\u{202e}x\u{200b}");
        let text = r#"it's "so" \ größer, 日本"#;
        assert_eq!(escaped(text), text);
        // Once is enough.
        assert_eq!(escaped(&escaped("\u{7}")), escaped("\u{7}"));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(printable(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(printable(&"ä".repeat(201)), "ä".repeat(200) + "...");
    }
}
