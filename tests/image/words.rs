//! Texts, comments and IPTC: kept where a format has a place for them, and told
//! where it has none.

use super::files::{Folder, LONG, chunk, jpeg, page, png, tiff_pages, with_chunk};
use super::noise_picture;
use flate2::{Compression, write::ZlibEncoder};
use srdiff::image::{
    DecodeOptions, Decoded, EncodeOptions, Metadata, OutputFormat, Picture, Text, decode,
};
use std::io::Write;

fn text(keyword: &str, text: &str) -> Text {
    Text {
        keyword: keyword.to_owned(),
        text: text.to_owned(),
        ..Text::default()
    }
}

fn read(folder: &Folder, bytes: &[u8]) -> Decoded {
    let path = folder.write("file", bytes);
    decode(&path, &DecodeOptions::default()).unwrap()
}

fn saved(folder: &Folder, metadata: &Metadata, format: OutputFormat) -> (Vec<u8>, Metadata) {
    let mut picture = noise_picture(8, 8, 1);
    picture.metadata = metadata.clone();
    let path = folder.path("saved");
    let options = EncodeOptions::default();
    picture.save(&path, format, &options, true).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (bytes, Picture::open(&path).unwrap().metadata)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A PNG file of one gray pixel.
fn pixel() -> Vec<u8> {
    png(1, 1, [8, 0], &[], &[0, 9])
}

/// A JPEG file with another segment after its first marker.
pub fn with_segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    let whole = jpeg([8, 8], None);
    [&whole[..2], &[0xff, marker], &length, data, &whole[2..]].concat()
}

const IPTC: &[u8] = b"\x1c\x02\x78\0\x05title\x1c\x02\x05\0\x01a";

/// IPTC as Photoshop has it in JPEG files, after a resource of another kind.
fn resources(iptc: &[u8]) -> Vec<u8> {
    let size = (iptc.len() as u32).to_be_bytes();
    let other = b"8BIM\x03\xed\0\0\0\0\0\x02ab";
    let padding = &[0][..iptc.len() % 2];
    [&other[..], b"8BIM\x04\x04\0\0", &size, iptc, padding].concat()
}

#[test]
fn texts_survive_from_png_to_png() {
    let folder = Folder::new();
    let compressed = [&b"Comment\0\0"[..], &deflated(b"a caf\xe9")].concat();
    let foreign = "Titel\0\0\0de\0Titel\0\u{1f408} Katze";
    let packed = [&b"Kitten\0\x01\0\0\0"[..], &deflated("\u{732b}".as_bytes())].concat();
    let mut file = with_chunk(&pixel(), b"tEXt", b"parameters\0a kitten\nSteps: 20");
    file = with_chunk(&file, b"zTXt", &compressed);
    file = with_chunk(&file, b"iTXt", foreign.as_bytes());
    file = with_chunk(&file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>");
    // Behind the pixels.
    let end = file.len() - 12;
    file.splice(end..end, chunk(b"iTXt", &packed));
    let Decoded { picture, notes } = read(&folder, &file);
    let texts = [
        text("parameters", "a kitten\nSteps: 20"),
        text("Comment", "a caf\u{e9}"),
        text("Kitten", "\u{732b}"),
        Text {
            language: "de".to_owned(),
            translated: "Titel".to_owned(),
            ..text("Titel", "\u{1f408} Katze")
        },
    ];
    let sorted = |mut texts: Vec<Text>| {
        texts.sort_by(|a, b| a.keyword.cmp(&b.keyword));
        texts
    };
    let expected = sorted(texts.to_vec());
    assert_eq!(sorted(picture.metadata.texts.clone()), expected);
    assert_eq!(picture.metadata.xmp.as_deref(), Some(&b"<x/>"[..]));
    assert_eq!(notes, [""; 0]);
    let (bytes, again) = saved(&folder, &picture.metadata, OutputFormat::Png);
    assert_eq!(sorted(again.texts), expected);
    // As other programs look for it.
    assert!(holds(&bytes, b"tEXtparameters\0a kitten\nSteps: 20"));
    assert_eq!(OutputFormat::Png.losses(&picture), [""; 0]);
}

#[test]
fn long_texts_are_compressed_and_come_back() {
    let folder = Folder::new();
    let long = "kitten ".repeat(100_000);
    let metadata = Metadata {
        texts: vec![
            text("plain", &long),
            text("foreign", &format!("\u{732b}{long}")),
        ],
        ..Metadata::default()
    };
    let (bytes, again) = saved(&folder, &metadata, OutputFormat::Png);
    assert_eq!(again.texts, metadata.texts);
    assert!(bytes.len() < long.len() / 10, "{}", bytes.len());
}

#[test]
fn texts_that_cannot_be_read_are_told() {
    let folder = Folder::new();
    let left_out = |file: &[u8]| {
        let Decoded { picture, notes } = read(&folder, file);
        let keywords = picture
            .metadata
            .texts
            .iter()
            .map(|text| text.keyword.clone());
        (keywords.collect::<Vec<_>>(), notes)
    };
    // 40 MB, of which there would be any number.
    let bomb = [&b"bomb\0\0"[..], &deflated(&vec![b' '; 40 << 20])].concat();
    let broken = b"broken\0\0no deflated bytes";
    let mut file = with_chunk(&pixel(), b"tEXt", b"good\0text");
    file = with_chunk(&file, b"zTXt", broken);
    let (kept, notes) = left_out(&with_chunk(&file, b"zTXt", &bomb));
    assert_eq!(kept, ["good"]);
    let note = "its text (bomb, broken) is damaged or has more than 16 MB, and was left out";
    assert_eq!(notes, [note]);

    let note = "some of its text cannot be read and was left out";
    let wrong = b"wrong\0\0\0\0\0\xff\xfe";
    let file = with_chunk(&pixel(), b"iTXt", wrong);
    assert_eq!(left_out(&file), (Vec::new(), vec![note.to_owned()]));
}

#[test]
fn comments_survive_from_jpeg_to_jpeg_and_become_texts() {
    let folder = Folder::new();
    for (comment, says) in [
        (&b"made by hand"[..], "made by hand"),
        (b"caf\xe9\0", "caf\u{e9}"),
    ] {
        let Decoded { picture, notes } = read(&folder, &with_segment(0xfe, comment));
        assert_eq!(picture.metadata.comments, [comment]);
        assert_eq!(notes, [""; 0]);
        let (_, again) = saved(&folder, &picture.metadata, OutputFormat::Jpeg);
        assert_eq!(again.comments, [comment]);
        let (_, again) = saved(&folder, &picture.metadata, OutputFormat::Png);
        assert_eq!(again.texts, [text("Comment", says)]);
        let (_, again) = saved(&folder, &again, OutputFormat::Jpeg);
        assert_eq!(again.comments, [says.as_bytes()]);
        for format in [OutputFormat::Jpeg, OutputFormat::Png] {
            assert_eq!(format.losses(&picture), [""; 0]);
        }
    }
}

/// A TIFF file in Motorola's byte order of one gray pixel, with bytes under a tag.
fn motorola(tag: u16, kind: u16, count: u32, data: &[u8]) -> Vec<u8> {
    let mut entries: Vec<(u16, u16, u32, [u8; 4])> = Vec::new();
    for (tag, value) in [
        (256, 1),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 1),
        (277, 1),
        (278, 1),
    ] {
        entries.push((tag, 3, 1, [0, value, 0, 0]));
    }
    let data_at = 8 + 2 + 12 * 10 + 4;
    entries.push((273, 4, 1, (data_at as u32).to_be_bytes()));
    entries.push((279, 4, 1, 1u32.to_be_bytes()));
    entries.push((tag, kind, count, (data_at as u32 + 2).to_be_bytes()));
    entries.sort_by_key(|entry| entry.0);
    let mut bytes = b"MM\0*\0\0\0\x08\0\x0a".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
        bytes.extend(count.to_be_bytes());
        bytes.extend(value);
    }
    bytes.extend([0; 4]);
    bytes.extend([9, 0]);
    bytes.extend(data);
    bytes
}

#[test]
fn iptc_survives_between_jpeg_and_tiff() {
    let folder = Folder::new();
    let padded = [IPTC, &[0; 4][..IPTC.len().next_multiple_of(4) - IPTC.len()]].concat();
    let words = padded.chunks_exact(4);
    let words = words
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    let mut tags = page([1, 1], [8, 1], 1, 1);
    tags.push((33_723, LONG, words));
    let block = [b"Photoshop 3.0\0", &resources(IPTC)[..]].concat();
    let count = (padded.len() / 4) as u32;
    let in_resources = resources(IPTC);
    let length = in_resources.len() as u32;
    for (file, expected) in [
        (with_segment(0xed, &block), IPTC),
        (tiff_pages(&[(&tags, &[9])]), &padded),
        (motorola(33_723, 4, count, &padded), &padded),
        (motorola(33_723, 7, IPTC.len() as u32, IPTC), IPTC),
        (motorola(34_377, 1, length, &in_resources), IPTC),
    ] {
        let Decoded { picture, notes } = read(&folder, &file);
        assert_eq!(picture.metadata.iptc.as_deref(), Some(expected));
        assert_eq!(notes, [""; 0]);
        for format in [OutputFormat::Jpeg, OutputFormat::Tiff] {
            let (_, again) = saved(&folder, &picture.metadata, format);
            assert_eq!(again.iptc.as_deref(), Some(expected), "{format}");
            assert_eq!(format.losses(&picture), [""; 0]);
        }
    }
}

#[test]
fn what_a_format_has_no_place_for_is_told_unless_it_is_stripped() {
    let mut picture = noise_picture(8, 8, 1);
    picture.metadata = Metadata {
        texts: vec![text("parameters", "a"), text("Comment", "b")],
        comments: vec![b"c".to_vec(), b"d".to_vec()],
        iptc: Some(IPTC.to_vec()),
        xmp: Some(b"<\0x\0/\0>\0\xff\xd8".to_vec()),
        ..Metadata::default()
    };
    let text = "has no place for the file's text (parameters, Comment), so it is left out";
    let comment = "has no place for the file's comment, so it is left out";
    let iptc = "has no place for IPTC, so the file's is left out";
    for (format, expected) in [
        (
            OutputFormat::Png,
            vec![
                format!("PNG {iptc}"),
                "PNG has XMP as UTF-8 alone, so the file's is left out".to_owned(),
            ],
        ),
        (
            OutputFormat::Jpeg,
            vec![format!("JPEG {}", text.replace(", Comment", ""))],
        ),
        (
            OutputFormat::WebP,
            vec![
                format!("WebP {text}"),
                format!("WebP {comment}"),
                format!("WebP {iptc}"),
            ],
        ),
        (
            OutputFormat::Tiff,
            vec![format!("TIFF {text}"), format!("TIFF {comment}")],
        ),
    ] {
        assert_eq!(format.losses(&picture), expected);
        let mut stripped = picture.clone();
        stripped.strip().unwrap();
        assert_eq!(format.losses(&stripped), [""; 0]);
        // And there is nothing of it in the file.
        let (bytes, _) = saved(&Folder::new(), &stripped.metadata, format);
        assert!(!holds(&bytes, b"parameters") && !holds(&bytes, IPTC));
    }
}

#[test]
fn what_is_too_long_for_jpeg_is_told() {
    let folder = Folder::new();
    let mut picture = noise_picture(8, 8, 1);
    picture.metadata = Metadata {
        texts: vec![text("Comment", &"a".repeat(70_000)), text("Comment", "b")],
        iptc: Some(IPTC.repeat(5_000)),
        ..Metadata::default()
    };
    let note = |name: &str| format!("its {name} is longer than JPEG can hold and was left out");
    let losses = OutputFormat::Jpeg.losses(&picture);
    assert_eq!(losses, [note("IPTC"), note("comment")]);
    let (_, again) = saved(&folder, &picture.metadata, OutputFormat::Jpeg);
    assert_eq!((again.comments, again.iptc), (vec![b"b".to_vec()], None));
}

#[test]
fn xmp_in_further_segments_is_told() {
    let folder = Folder::new();
    let segment = [&b"http://ns.adobe.com/xmp/extension/\0"[..], &[b'0'; 40]].concat();
    let notes = read(&folder, &with_segment(0xe1, &segment)).notes;
    assert_eq!(
        notes,
        ["the part of its XMP in further segments was left out"]
    );
}
