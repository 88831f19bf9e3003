//! Kinds of BMP files.

use super::files::{Folder, message};
use srdiff::image::{Picture, dimensions};

/// A file of an image header and what follows it, of which the last `pixels` bytes
/// are pixels.
fn file(header: &[u8], rest: &[u8], pixels: usize) -> Vec<u8> {
    let length = 14 + header.len() + rest.len();
    let start = (length - pixels) as u32;
    let mut bytes = b"BM".to_vec();
    bytes.extend((length as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(start.to_le_bytes());
    [&bytes, header, rest].concat()
}

/// An image header of so many bytes, of an image of 2x1 pixels.
fn header(size: u32, bits: u16, compression: u32) -> Vec<u8> {
    let mut bytes = [size, 2, 1].map(u32::to_le_bytes).concat();
    bytes.extend([1, bits].map(u16::to_le_bytes).concat());
    bytes.extend(compression.to_le_bytes());
    bytes.resize(size as usize, 0);
    bytes
}

fn read(bytes: &[u8]) -> Picture {
    let folder = Folder::new();
    let path = folder.write("file.bmp", bytes);
    assert_eq!(dimensions(&path).unwrap(), (2, 1));
    Picture::open(&path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn headers_of_os2_are_read() {
    // Blue, green, red; rows end at multiples of 4 bytes.
    let pixels = [3, 2, 1, 6, 5, 4, 0, 0];
    let palette = [[3, 2, 1, 0], [6, 5, 4, 0]].concat();
    for size in [16, 24, 36, 40, 48, 64] {
        let picture = read(&file(&header(size, 24, 0), &pixels, 8));
        assert_eq!(picture.rgb8()[..], [1, 2, 3, 4, 5, 6], "{size}");
        // The table of colours stands behind the header.
        let indices = [0x40, 0, 0, 0];
        let rest = [&palette[..], &indices].concat();
        let picture = read(&file(&header(size, 1, 0), &rest, 4));
        assert_eq!(picture.rgb8()[..], [1, 2, 3, 4, 5, 6], "{size}");
    }
}

#[test]
fn a_mask_of_opacity_behind_the_header_counts() {
    let masks = [0x00ff_0000, 0xff00, 0xff, 0xff00_0000].map(u32::to_le_bytes);
    let pixels = [3, 2, 1, 100, 6, 5, 4, 200];
    let rest = [masks.as_flattened(), &pixels].concat();
    let picture = read(&file(&header(40, 32, 6), &rest, 8));
    assert_eq!(picture.rgb8()[..], [1, 2, 3, 4, 5, 6]);
    assert_eq!(picture.alpha.unwrap().to_u8()[..], [100, 200]);
}

#[test]
fn what_else_there_is_inside_is_named() {
    for (size, bits, compression, what) in [
        (40, 0, 4, "a JPEG image in BMP"),
        (124, 0, 5, "a PNG image in BMP"),
        (64, 24, 4, "the run lengths of OS/2 for 24 bits in BMP"),
        (64, 1, 3, "the fax compression of OS/2 in BMP"),
        (40, 32, 11, "CMYK in BMP"),
        (40, 24, 99, "compression 99 in BMP"),
    ] {
        let folder = Folder::new();
        let path = folder.write(
            "file.bmp",
            file(&header(size, bits, compression), &[0; 8], 8),
        );
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with(&format!("uses {what}, which cannot be read")),
            "{text}"
        );
        assert_eq!(message(dimensions(&path), &path), text);
    }
}
