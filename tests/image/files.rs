//! Picture files for the tests: by the encoders at hand, and byte by byte for
//! what none of them writes.

use ::image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder,
};
use ::image::{ExtendedColorType, ImageEncoder};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that is removed when dropped.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The message of an error, without the folder.
pub fn message<T: std::fmt::Debug>(
    result: Result<T, srdiff::image::ImageError>,
    path: &Path,
) -> String {
    let text = result.unwrap_err().to_string();
    let prefix = format!("{}: ", path.display());
    match text.strip_prefix(&prefix) {
        Some(message) => message.to_owned(),
        None => panic!("'{text}' does not name {}", path.display()),
    }
}

/// What an encoder makes of samples.
pub fn encoded(
    mut encoder: impl ImageEncoder,
    [width, height]: [u32; 2],
    color: ExtendedColorType,
    samples: &[u8],
    metadata: [Option<Vec<u8>>; 2],
) {
    let [exif, icc] = metadata;
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc).unwrap();
    }
    encoder.write_image(samples, width, height, color).unwrap();
}

/// A file of each lossless format that is read.
pub fn files(
    size: [u32; 2],
    color: ExtendedColorType,
    samples: &[u8],
) -> Vec<(&'static str, Vec<u8>)> {
    let none = || [None, None];
    let mut result = Vec::new();
    for format in ["PNG", "WebP", "TIFF", "BMP"] {
        let mut bytes = Cursor::new(Vec::new());
        match format {
            "PNG" => encoded(PngEncoder::new(&mut bytes), size, color, samples, none()),
            "WebP" => encoded(
                WebPEncoder::new_lossless(&mut bytes),
                size,
                color,
                samples,
                none(),
            ),
            "TIFF" => encoded(TiffEncoder::new(&mut bytes), size, color, samples, none()),
            _ => encoded(BmpEncoder::new(&mut bytes), size, color, samples, none()),
        }
        result.push((format, bytes.into_inner()));
    }
    result
}

/// A PNG file with metadata.
pub fn png_with(
    size: [u32; 2],
    color: ExtendedColorType,
    samples: &[u8],
    metadata: [Option<Vec<u8>>; 2],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoded(PngEncoder::new(&mut bytes), size, color, samples, metadata);
    bytes
}

/// A JPEG file of an even slope, which survives its coding closely.
pub fn jpeg(size: [u32; 2], orientation: Option<u8>) -> Vec<u8> {
    let [width, height] = size;
    let slope = |y: u32| (0..width).flat_map(move |x| [(x * 8) as u8, (y * 8) as u8, 128]);
    let samples: Vec<u8> = (0..height).flat_map(slope).collect();
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    encoded(
        encoder,
        size,
        ExtendedColorType::Rgb8,
        &samples,
        [orientation.map(exif), None],
    );
    bytes
}

/// An EXIF block that holds an orientation and nothing else.
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    bytes.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// What passes for an ICC profile of `colours`, "RGB " or "GRAY" or "CMYK".
pub fn profile(colours: &[u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 132];
    bytes[3] = 132;
    bytes[12..16].copy_from_slice(b"mntr");
    bytes[16..20].copy_from_slice(colours);
    bytes[36..40].copy_from_slice(b"acsp");
    bytes
}

/// A PNG file: `kind` is its bit depth and colour type, `rows` its filtered
/// rows; `palette` may be empty.
pub fn png(width: u32, height: u32, kind: [u8; 2], palette: &[u8], rows: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let named = [&name[..], data].concat();
        bytes.extend(&named);
        bytes.extend(crc32(&named).to_be_bytes());
    };
    let [w, h] = [width, height].map(u32::to_be_bytes);
    chunk(b"IHDR", &[&w[..], &h, &kind, &[0, 0, 0]].concat());
    if !palette.is_empty() {
        chunk(b"PLTE", palette);
    }
    let length = rows.len() as u16;
    let stored = [
        &[1],
        &length.to_le_bytes()[..],
        &(!length).to_le_bytes(),
        rows,
    ]
    .concat();
    let checksum = adler32(rows).to_be_bytes();
    chunk(b"IDAT", &[&[0x78, 1], &stored[..], &checksum].concat());
    chunk(b"IEND", &[]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}

/// A TIFF file of one row of 8-bit pixels of `samples` samples each.
/// `photometric`: 2 RGB, 3 palette, 5 CMYK.
pub fn tiff(photometric: u16, samples: u16, orientation: u16, row: &[u8]) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let width = (row.len() / usize::from(samples)) as u32;
    let entries = 10;
    let bits = 8 + 2 + 12 * entries + 4;
    let data = bits + 2 * u32::from(samples);
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries as u16).to_le_bytes());
    let mut entry = |tag: u16, kind: u16, count: u32, value: u32| {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    };
    entry(256, LONG, 1, width);
    entry(257, LONG, 1, 1);
    match samples {
        1 => entry(258, SHORT, 1, 8),
        _ => entry(258, SHORT, u32::from(samples), bits),
    }
    entry(259, SHORT, 1, 1);
    entry(262, SHORT, 1, u32::from(photometric));
    entry(273, LONG, 1, data);
    entry(274, SHORT, 1, u32::from(orientation));
    entry(277, SHORT, 1, u32::from(samples));
    entry(278, LONG, 1, 1);
    entry(279, LONG, 1, row.len() as u32);
    bytes.extend([0; 4]);
    bytes.extend([8, 0].repeat(usize::from(samples)));
    bytes.extend(row);
    bytes
}

/// Types of TIFF's values.
pub const SHORT: u16 = 3;
pub const LONG: u16 = 4;

/// A tag of TIFF, the type of its values, and those.
pub type Tag = (u16, u16, Vec<u32>);

/// A TIFF file of several pages, each of tags and one strip of data.
pub fn tiff_pages(pages: &[(&[Tag], &[u8])]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for (index, (tags, data)) in pages.iter().enumerate() {
        let directory = bytes.len();
        let data_at = directory + 2 + 12 * (tags.len() + 2) + 4;
        let mut outside_at = data_at + data.len().next_multiple_of(2);
        let is_tiled = tags.iter().any(|(tag, ..)| *tag == 322);
        let [offsets, lengths] = if is_tiled { [324, 325] } else { [273, 279] };
        let place = [
            (offsets, LONG, vec![data_at as u32]),
            (lengths, LONG, vec![data.len() as u32]),
        ];
        let mut all = [tags, &place[..]].concat();
        all.sort_by_key(|(tag, ..)| *tag);
        let mut outside = Vec::new();
        bytes.extend((all.len() as u16).to_le_bytes());
        for (tag, kind, values) in all {
            let mut packed: Vec<u8> = match kind {
                SHORT => values
                    .iter()
                    .flat_map(|&v| (v as u16).to_le_bytes())
                    .collect(),
                _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            };
            if packed.len() > 4 {
                let at = outside_at as u32;
                outside_at += packed.len();
                outside.extend(packed);
                packed = at.to_le_bytes().to_vec();
            }
            packed.resize(4, 0);
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend((values.len() as u32).to_le_bytes());
            bytes.extend(packed);
        }
        let next = match index + 1 == pages.len() {
            true => 0,
            false => outside_at as u32,
        };
        bytes.extend(next.to_le_bytes());
        bytes.extend(*data);
        bytes.resize(data_at + data.len().next_multiple_of(2), 0);
        bytes.extend(outside);
    }
    bytes
}

/// Tags of a page: its size, bits and number of samples, compression and kind of
/// colours.
pub fn page(
    [width, height]: [u32; 2],
    [bits, samples]: [u32; 2],
    compression: u32,
    colors: u32,
) -> Vec<Tag> {
    vec![
        (256, LONG, vec![width]),
        (257, LONG, vec![height]),
        (258, SHORT, vec![bits; samples as usize]),
        (259, SHORT, vec![compression]),
        (262, SHORT, vec![colors]),
        (277, SHORT, vec![samples]),
        (278, LONG, vec![height]),
    ]
}

/// A PNG file with another chunk after its header.
pub fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let (head, rest) = png.split_at(33);
    [head, &chunk(name, data), rest].concat()
}

/// A chunk of a PNG file.
pub fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&name[..], data].concat();
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &named, &crc32(&named).to_be_bytes()].concat()
}
