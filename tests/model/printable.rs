//! Text of files in messages.

use srdiff::model::{escaped, printable};

#[test]
fn control_characters_are_escaped() {
    assert_eq!(escaped("a\u{1b}[2J\r\nb\u{9b}"), r"a\u{1b}[2J\r\nb\u{9b}");
    assert_eq!(escaped("\u{202e}x\u{200b}"), r"\u{202e}x\u{200b}");
    let text = r#"it's "so" \ größer, 日本"#;
    assert_eq!(escaped(text), text);
    // Escaping again changes nothing.
    assert_eq!(escaped(&escaped("\u{7}")), escaped("\u{7}"));
}

#[test]
fn long_text_is_cut_between_characters() {
    assert_eq!(printable(&"ä".repeat(200)), "ä".repeat(200));
    assert_eq!(printable(&"ä".repeat(201)), "ä".repeat(200) + "...");
}
