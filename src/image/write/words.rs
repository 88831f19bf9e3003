//! Where texts, comments and IPTC go, and which formats have no place for them.

use super::super::exif;
use super::super::text::{COMMENT, Text, names};
use super::super::{Metadata, OutputFormat};
use ::png::Info;
use ::png::text_metadata::{ITXtChunk, TEXtChunk, ZTXtChunk};

/// Longer texts are compressed. Few programs read those.
const LONG: usize = 1 << 16;

/// Notes on what a format has no place for.
pub fn losses(format: OutputFormat, metadata: &Metadata) -> Vec<String> {
    let mut losses = Vec::new();
    let Metadata {
        texts,
        comments,
        iptc,
        xmp,
        exif,
        ..
    } = metadata;
    let is_kept = |text: &&Text| match format {
        OutputFormat::Png => true,
        OutputFormat::Jpeg => text.keyword == COMMENT,
        _ => false,
    };
    let lost: Vec<&str> = texts
        .iter()
        .filter(|text| !is_kept(text))
        .map(|text| &*text.keyword)
        .collect();
    if !lost.is_empty() {
        let names = names(lost.into_iter());
        losses.push(format!(
            "{format} has no place for the file's text ({names}), so it is left out"
        ));
    }
    if !comments.is_empty() && !matches!(format, OutputFormat::Png | OutputFormat::Jpeg) {
        losses.push(format!(
            "{format} has no place for the file's comment, so it is left out"
        ));
    }
    if iptc.is_some() && !matches!(format, OutputFormat::Jpeg | OutputFormat::Tiff) {
        losses.push(format!(
            "{format} has no place for IPTC, so the file's is left out"
        ));
    }
    if format == OutputFormat::Tiff && exif.as_deref().is_some_and(exif::has_maker_note) {
        losses.push(
            "TIFF puts EXIF elsewhere, which the notes of the camera's maker (MakerNote) do not survive, so they are left out".to_owned(),
        );
    }
    let directories = exif.as_deref().and_then(exif::directories);
    if format == OutputFormat::Tiff
        && let Some(directories) = directories
    {
        let main = directories.main.iter().map(|field| field.tag);
        let unknown: Vec<String> = main
            .filter(|&number| exif::is_unknown(number))
            .map(|number| format!("tag {number}"))
            .collect();
        if !unknown.is_empty() {
            let names = names(unknown.iter().map(String::as_str));
            losses.push(format!(
                "what may tell how the old file was built was left out of EXIF in TIFF: {names}"
            ));
        }
    }
    if format == OutputFormat::Png && xmp.iter().any(|xmp| str::from_utf8(xmp).is_err()) {
        losses.push("PNG has XMP as UTF-8 alone, so the file's is left out".to_owned());
    }
    losses
}

/// Adds texts and comments to a PNG file.
pub fn add_to_png(info: &mut Info<'_>, metadata: &Metadata) {
    let comments = metadata.comments.iter();
    let comments: Vec<Text> = comments.map(|comment| Text::of_comment(comment)).collect();
    for text in metadata.texts.iter().chain(&comments) {
        let Text {
            keyword,
            text,
            language,
            translated,
        } = text;
        let is_latin = text.chars().all(|c| u32::from(c) < 256);
        let is_plain = is_latin && language.is_empty() && translated.is_empty();
        let is_long = text.len() > LONG;
        match (is_plain, is_long) {
            (true, false) => info
                .uncompressed_latin1_text
                .push(TEXtChunk::new(keyword, text)),
            (true, true) => info
                .compressed_latin1_text
                .push(ZTXtChunk::new(keyword, text)),
            (false, compressed) => {
                let mut chunk = ITXtChunk::new(keyword, text);
                chunk.compressed = compressed;
                chunk.language_tag.clone_from(language);
                chunk.translated_keyword.clone_from(translated);
                info.utf8_text.push(chunk);
            }
        }
    }
}

/// The comments of a JPEG file.
pub fn jpeg_comments(metadata: &Metadata) -> impl Iterator<Item = &[u8]> {
    let texts = metadata.texts.iter().filter(|text| text.keyword == COMMENT);
    let texts = texts.map(|text| text.text.as_bytes());
    metadata.comments.iter().map(Vec::as_slice).chain(texts)
}
