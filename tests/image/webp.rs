//! WebP files whose header says something else than their chunks.

use super::files::Folder;
use super::frames::{WebPPart, animated_webp, lossless};
use srdiff::image::{DecodeOptions, Decoded, decode, dimensions};

const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let size = (data.len() as u32).to_le_bytes();
    let padding = &[0][..data.len() % 2];
    [name, &size[..], data, padding].concat()
}

/// An extended file of these flags.
fn file(flags: u8, side: u8, chunks: &[&[u8]]) -> Vec<u8> {
    let header = [flags, 0, 0, 0, side - 1, 0, 0, side - 1, 0, 0];
    let header = chunk(b"VP8X", &header);
    chunk(b"RIFF", &[b"WEBP", &header[..], &chunks.concat()].concat())
}

/// A lossy chunk of 8x8 pixels.
fn lossy() -> Vec<u8> {
    std::fs::read("tests/data/pictures/webp_lossy.webp").unwrap()[12..].to_vec()
}

fn read(bytes: &[u8]) -> Decoded {
    let folder = Folder::new();
    let path = folder.write("file.webp", bytes);
    let decoded = decode(&path, &DecodeOptions::default());
    let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
    let size = (decoded.picture.width, decoded.picture.height);
    assert_eq!(dimensions(&path).unwrap(), size);
    assert_eq!(decoded.notes, [""; 0]);
    decoded
}

fn opacity(bytes: &[u8]) -> Option<u8> {
    read(bytes).picture.alpha.map(|alpha| alpha.to_u8()[0])
}

#[test]
fn opacity_is_where_it_is_coded() {
    let [clear, opaque] = [100, 255].map(|alpha| lossless(4, 4, [9, 8, 7, alpha]));
    // Uncompressed and unfiltered.
    let plane = chunk(b"ALPH", &[&[0][..], &[100; 64]].concat());
    for flags in [0, ALPHA] {
        assert_eq!(opacity(&file(flags, 4, &[&clear])), Some(100));
        assert_eq!(opacity(&file(flags, 4, &[&opaque])), None);
        assert_eq!(opacity(&file(flags, 8, &[&plane, &lossy()])), Some(100));
        assert_eq!(opacity(&file(flags, 8, &[&lossy()])), None);
    }
}

#[test]
fn chunks_that_were_taken_out_are_not_missed() {
    let expected = read(&std::fs::read("tests/data/pictures/webp_lossy.webp").unwrap());
    for flags in [EXIF, XMP, ALPHA, EXIF | XMP | ALPHA] {
        let decoded = read(&file(flags, 8, &[&lossy()]));
        assert_eq!(decoded.picture, expected.picture, "{flags}");
    }
    let packet = chunk(b"XMP ", b"<x/>");
    let metadata = read(&file(EXIF, 8, &[&lossy(), &packet])).picture.metadata;
    assert_eq!(metadata.xmp.as_deref(), Some(&b"<x/>"[..]));
    // An animation, too.
    let mut moving = animated_webp(&[WebPPart {
        place: [0, 0, 16, 8],
        clear: false,
        replace: false,
        pixels: lossless(16, 8, [1, 2, 3, 255]),
    }]);
    moving[20] |= EXIF | XMP;
    assert_eq!(read(&moving).picture.rgb8()[..3], [1, 2, 3]);
}
