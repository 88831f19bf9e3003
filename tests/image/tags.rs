//! The tags that go from a TIFF file to other files, and to TIFF files.

use super::directories::{ASCII, BYTE, DOUBLE, SHORT, Tag, Tiff, UNDEFINED};
use super::directories::{entry, holds, read};
use super::files::Folder;
use super::noise_picture;
use srdiff::image::{DecodeOptions, Decoded, EncodeOptions, OutputFormat, Picture, decode};

const EXIF: u16 = 34_665;
const INTEROPERABILITY: u16 = 40_965;

fn saved(picture: &Picture, format: OutputFormat) -> Decoded {
    let bytes = picture.encode(format, &EncodeOptions::default()).unwrap();
    read(&bytes)
}

#[test]
fn texts_and_types_are_those_of_the_file() {
    let texts = [
        &b"\xa9 2020 Jos\xe9\0"[..],
        "\u{a9} 2020 Jos\u{e9}\0".as_bytes(),
        b"Photographer\0Editor\0",
        b"without an end",
    ];
    for (little, wide) in [(true, false), (false, false), (true, true), (false, true)] {
        for text in texts {
            let mut tiff = Tiff::new(little, wide);
            let tags = [
                (1, ASCII, b"R98\0".to_vec()),
                (2, UNDEFINED, b"0100".to_vec()),
            ];
            let rules = tiff.directory(&tags, 0);
            let tags = [
                (36_864, UNDEFINED, b"0230".to_vec()),
                (37_510, UNDEFINED, b"ASCII\0\0\0hello".to_vec()),
                (42_036, ASCII, text.to_vec()),
                tiff.short(34_855, 0x1234),
                tiff.long(INTEROPERABILITY, rules),
            ];
            let exif = tiff.directory(&tags, 0);
            let mut tags = tiff.pixels(3, 7);
            tags.extend([(33_432, ASCII, text.to_vec()), tiff.long(EXIF, exif)]);
            let first = tiff.directory(&tags, 0);
            let once = read(&tiff.file(first));
            assert_eq!(once.notes, [""; 0]);
            // To every format and through TIFF again.
            let twice = saved(&once.picture, OutputFormat::Tiff);
            let png = saved(&twice.picture, OutputFormat::Png);
            for decoded in [once, twice, png] {
                let block = decoded.picture.metadata.exif.unwrap();
                let count = text.len() as u32;
                for part in [
                    entry(33_432, ASCII, count),
                    entry(42_036, ASCII, count),
                    [entry(36_864, UNDEFINED, 4), b"0230".to_vec()].concat(),
                    entry(37_510, UNDEFINED, 13),
                    [entry(34_855, SHORT, 1), vec![0x34, 0x12]].concat(),
                    [entry(1, ASCII, 4), b"R98\0".to_vec()].concat(),
                    [entry(2, UNDEFINED, 4), b"0100".to_vec()].concat(),
                    text.to_vec(),
                ] {
                    assert!(holds(&block, &part), "{little} {wide} {part:?}");
                }
            }
        }
    }
}

#[test]
fn tags_that_describe_the_picture_survive_and_others_are_told() {
    let mut tiff = Tiff::new(true, false);
    let title = b"T\0i\0t\0l\0e\0\0\0";
    let exif = tiff.directory(&[(37_500, UNDEFINED, b"maker".to_vec())], 0);
    let mut tags = tiff.pixels(3, 7);
    tags.extend([
        (269, ASCII, b"document\0".to_vec()),
        (40_091, BYTE, title.to_vec()),
        tiff.short(18_246, 5),
        (33_550, DOUBLE, vec![0; 24]),
        // More than JPEG has room for.
        (50_000, BYTE, vec![1; 70_000]),
        tiff.long(EXIF, exif),
        // Beyond the end of the file.
        (315, ASCII, b"artist\0".to_vec()),
    ]);
    let first = tiff.directory(&tags, 0);
    let mut bytes = tiff.file(first);
    let place = entry(315, ASCII, 7);
    let place = bytes.windows(8).position(|part| part == place).unwrap() + 8;
    bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
    let once = read(&bytes);
    assert_eq!(once.notes.len(), 1, "{:?}", once.notes);
    for name in ["GeoTIFF", "MakerNote", "tag 50000", "tag 315"] {
        assert!(once.notes[0].contains(name), "{name}: {:?}", once.notes);
    }
    for format in [OutputFormat::Tiff, OutputFormat::Jpeg, OutputFormat::Png] {
        let again = saved(&once.picture, format);
        assert_eq!(again.notes, [""; 0], "{format}");
        let block = again.picture.metadata.exif.unwrap();
        let rating = [entry(18_246, SHORT, 1), vec![5, 0]].concat();
        for part in [&b"document\0"[..], title, &rating] {
            assert!(holds(&block, part), "{format}: {part:?}");
        }
        assert!(!holds(&block, &entry(33_550, DOUBLE, 3)));
    }
    let folder = Folder::new();
    let options = DecodeOptions {
        metadata: false,
        ..DecodeOptions::default()
    };
    let unneeded = decode(&folder.write("file.tif", &bytes), &options).unwrap();
    assert_eq!(unneeded.notes, [""; 0]);
}

/// They may tell how the old file was built.
#[test]
fn tags_of_programs_are_left_out_and_told() {
    let mut tiff = Tiff::new(true, false);
    let mut tags = tiff.pixels(3, 7);
    tags.extend([
        (34_412, BYTE, vec![1; 512]),
        (33_434, UNDEFINED, vec![1; 8]),
    ]);
    let first = tiff.directory(&tags, 0);
    let decoded = read(&tiff.file(first));
    let told = "what cannot be kept of its tags was left out: tag 34412";
    assert_eq!(decoded.notes, [told]);
    let block = decoded.picture.metadata.exif.unwrap();
    assert!(holds(&block, &entry(33_434, UNDEFINED, 8)));
    assert!(!holds(&block, &34_412u16.to_le_bytes()));

    // From the EXIF of another format.
    let mut tiff = Tiff::new(true, false);
    let tags = [
        (271, ASCII, b"Camera\0".to_vec()),
        (50_706, BYTE, vec![1, 4, 0, 0]),
    ];
    let first = tiff.directory(&tags, 0);
    let mut picture = noise_picture(2, 2, 1);
    picture.metadata.exif = Some(tiff.file(first));
    let told = OutputFormat::Tiff.losses(&picture);
    assert!(
        told.len() == 1 && told[0].ends_with("tag 50706"),
        "{told:?}"
    );
    let again = saved(&picture, OutputFormat::Tiff).picture;
    assert!(holds(&again.metadata.exif.unwrap(), b"Camera\0"));
}

/// Programs that read it would take the new file for one built in that way.
#[test]
fn descriptions_of_how_a_file_is_built_are_left_out_and_told() {
    for (text, is_kept) in [
        ("ImageJ=1.53t\nimages=3\nslices=3\0", false),
        ("<?xml version=\"1.0\"?><OME xmlns=\"a\"/>\0", false),
        ("{\"shape\": [3, 5]}\0", false),
        ("A cell in ImageJ\0", true),
    ] {
        let mut tiff = Tiff::new(true, false);
        let mut tags = tiff.pixels(3, 7);
        tags.push((270, ASCII, text.as_bytes().to_vec()));
        let first = tiff.directory(&tags, 0);
        let once = read(&tiff.file(first));
        let told = "what cannot be kept of its tags was left out: ImageDescription";
        let exif = once.picture.metadata.exif.unwrap_or_default();
        assert_eq!(holds(&exif, text.as_bytes()), is_kept, "{text}");
        assert_eq!(once.notes, &[told][usize::from(is_kept)..], "{text}");
    }
}

#[test]
fn private_tags_share_the_room_that_jpeg_has() {
    let mut tiff = Tiff::new(true, false);
    let private = (65_001..65_004).map(|tag| (tag, BYTE, vec![1; 30_000]));
    let private: Vec<Tag> = private.collect();
    let exif = tiff.directory(&private, 0);
    let mut tags = tiff.pixels(3, 7);
    tags.extend([(271, ASCII, b"Camera\0".to_vec()), tiff.long(EXIF, exif)]);
    let first = tiff.directory(&tags, 0);
    let once = read(&tiff.file(first));
    assert!(
        once.notes[0].ends_with("tag 65002, tag 65003"),
        "{:?}",
        once.notes
    );
    assert_eq!(OutputFormat::Jpeg.losses(&once.picture), [""; 0]);
    let again = saved(&once.picture, OutputFormat::Jpeg);
    assert!(holds(&again.picture.metadata.exif.unwrap(), b"Camera\0"));
}

/// A block of EXIF with a title, and a maker's note below.
#[test]
fn a_makers_note_that_tiff_has_no_place_for_is_told() {
    let mut tiff = Tiff::new(true, false);
    let exif = tiff.directory(&[(37_500, UNDEFINED, b"maker".to_vec())], 0);
    let tags = [(40_091, BYTE, b"T\0\0\0".to_vec()), tiff.long(EXIF, exif)];
    let first = tiff.directory(&tags, 0);
    let mut picture = noise_picture(2, 2, 1);
    picture.metadata.exif = Some(tiff.file(first));
    let told = OutputFormat::Tiff.losses(&picture);
    assert!(told.len() == 1 && told[0].contains("MakerNote"), "{told:?}");
    assert_eq!(OutputFormat::Png.losses(&picture), [""; 0]);
    let again = saved(&picture, OutputFormat::Tiff);
    let title = [entry(40_091, BYTE, 4), b"T\0\0\0".to_vec()].concat();
    assert!(holds(&again.picture.metadata.exif.unwrap(), &title));
}
