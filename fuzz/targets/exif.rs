//! Any bytes as the EXIF block of a PNG file, read and written again.

#![no_main]

mod scratch;

use libfuzzer_sys::fuzz_target;
use srdiff::image::{DecodeOptions, EncodeOptions, OutputFormat, decode};

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Adler-32, which ends a stream of zlib.
fn adler(bytes: &[u8]) -> [u8; 4] {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    (b << 16 | a).to_be_bytes()
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend(kind);
    png.extend(data);
    let crc = crc(&png[start..]);
    png.extend(crc.to_be_bytes());
}

fuzz_target!(|data: &[u8]| {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    chunk(&mut png, b"eXIf", data);
    // Two gray pixels, stored without compression.
    let mut stream = vec![0x78, 0x01, 1, 3, 0, 0xfc, 0xff];
    let row = [0, 10, 20];
    stream.extend(row);
    stream.extend(adler(&row));
    chunk(&mut png, b"IDAT", &stream);
    chunk(&mut png, b"IEND", &[]);
    let path = scratch::path("exif.png");
    std::fs::write(&path, png).expect("room for a small file");
    let decoded = decode(&path, &DecodeOptions::default()).expect("a good picture");
    let picture = decoded.picture;
    for format in [
        OutputFormat::Png,
        OutputFormat::Tiff,
        OutputFormat::Jpeg,
        OutputFormat::WebP,
    ] {
        let written = scratch::path("written");
        if picture
            .save(&written, format, &EncodeOptions::default(), true)
            .is_ok()
        {
            decode(&written, &DecodeOptions::default()).expect("what was written can be read");
        }
    }
});
