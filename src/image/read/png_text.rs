//! Texts of PNG files.

use super::super::text::{Text, names};
use ::png::{DecodingError, Info};

/// The keyword of a text that is XMP.
const XMP: &str = "XML:com.adobe.xmp";

/// The most bytes that all compressed texts of a file may have.
const MOST: usize = 16 << 20;

/// What a file says in words.
#[derive(Default)]
pub struct Texts {
    pub xmp: Option<Vec<u8>>,
    pub list: Vec<Text>,
}

impl Texts {
    /// `stored` is how many texts the file has; the decoder drops those that it
    /// cannot read, and may not have come to all.
    pub fn read(info: &Info<'_>, stored: usize, notes: &mut Vec<String>) -> Self {
        let mut texts = Self::default();
        let mut unpacking = Unpacking {
            left: MOST,
            refused: Vec::new(),
        };
        for chunk in &info.uncompressed_latin1_text {
            texts.list.push(Text {
                keyword: chunk.keyword.clone(),
                text: chunk.text.clone(),
                ..Text::default()
            });
        }
        for chunk in &info.compressed_latin1_text {
            let text = unpacking.text(&chunk.keyword, |limit| {
                let mut chunk = chunk.clone();
                chunk.decompress_text_with_limit(limit)?;
                chunk.get_text()
            });
            texts.list.extend(text.map(|text| Text {
                keyword: chunk.keyword.clone(),
                text,
                ..Text::default()
            }));
        }
        for chunk in &info.utf8_text {
            let is_xmp = chunk.keyword == XMP && texts.xmp.is_none();
            let name = if is_xmp { "XMP" } else { &chunk.keyword };
            let text = unpacking.text(name, |limit| {
                let mut chunk = chunk.clone();
                chunk.decompress_text_with_limit(limit)?;
                chunk.get_text()
            });
            match text {
                Some(text) if is_xmp => texts.xmp = Some(text.into_bytes()),
                text => texts.list.extend(text.map(|text| Text {
                    keyword: chunk.keyword.clone(),
                    text,
                    language: chunk.language_tag.clone(),
                    translated: chunk.translated_keyword.clone(),
                })),
            }
        }
        if !unpacking.refused.is_empty() {
            let names = names(unpacking.refused.iter().map(String::as_str));
            let note = format!("its text ({names}) is damaged or has more than 16 MB");
            notes.push(format!("{note}, and was left out"));
        }
        let read = [
            info.uncompressed_latin1_text.len(),
            info.compressed_latin1_text.len(),
            info.utf8_text.len(),
        ];
        if read.iter().sum::<usize>() < stored {
            notes.push("some of its text cannot be read and was left out".to_owned());
        }
        texts
    }
}

/// Compressed texts, which may be small and become large.
struct Unpacking {
    left: usize,
    /// Keywords of those that were not read.
    refused: Vec<String>,
}

impl Unpacking {
    fn text(
        &mut self,
        keyword: &str,
        unpack: impl FnOnce(usize) -> Result<String, DecodingError>,
    ) -> Option<String> {
        match unpack(self.left) {
            Ok(text) => {
                self.left = self.left.saturating_sub(text.len());
                Some(text)
            }
            Err(_) => {
                self.refused.push(keyword.to_owned());
                None
            }
        }
    }
}
