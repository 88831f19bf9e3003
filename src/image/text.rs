//! Texts and comments of image files.

use std::collections::HashSet;

/// The keyword of PNG that stands for what JPEG calls a comment.
pub const COMMENT: &str = "Comment";

/// A text of an image file, under a keyword, as PNG has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// 1 to 79 characters of Latin-1.
    pub keyword: String,
    /// What it says.
    pub text: String,
    /// The language it is in, as in `en-GB`; may be empty.
    pub language: String,
    /// The keyword in that language; may be empty.
    pub translated: String,
}

impl Text {
    /// What a comment of JPEG says, whose encoding nobody defines.
    pub(super) fn of_comment(comment: &[u8]) -> Self {
        let latin = || comment.iter().copied().map(char::from).collect();
        let text = str::from_utf8(comment).map_or_else(|_| latin(), str::to_owned);
        Self {
            keyword: COMMENT.to_owned(),
            // C programs write the end of their strings, too.
            text: text.replace('\0', ""),
            ..Self::default()
        }
    }
}

/// The keywords of texts, for notes.
pub fn names<'a>(keywords: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 4;
    let mut seen = HashSet::new();
    let names: Vec<&str> = keywords.filter(|&keyword| seen.insert(keyword)).collect();
    match names.len().saturating_sub(MOST) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_texts_in_either_encoding() {
        for comment in [&b"caf\xc3\xa9\0"[..], b"caf\xe9"] {
            let text = Text::of_comment(comment);
            assert_eq!((&*text.keyword, &*text.text), ("Comment", "caf\u{e9}"));
        }
    }

    #[test]
    fn many_keywords_are_counted() {
        let names = |keywords: &str| names(keywords.split(' '));
        assert_eq!(names("a b a"), "a, b");
        assert_eq!(names("a b c d e f"), "a, b, c, d and 2 more");
    }
}
