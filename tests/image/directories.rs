//! Directories of TIFF files: which of them is the picture, and where its pixels are.

use super::files::{Folder, message};
use srdiff::image::{DecodeOptions, Decoded, Picture, decode};

pub const BYTE: u16 = 1;
pub const ASCII: u16 = 2;
pub const SHORT: u16 = 3;
pub const LONG: u16 = 4;
pub const RATIONAL: u16 = 5;
pub const UNDEFINED: u16 = 7;
pub const DOUBLE: u16 = 12;

const SUB_DIRECTORIES: u16 = 330;

pub type Tag = (u16, u16, Vec<u8>);

/// A TIFF file whose directories are written one after the other.
pub struct Tiff {
    little: bool,
    /// Whether it is BigTIFF.
    wide: bool,
    bytes: Vec<u8>,
}

impl Tiff {
    pub fn new(little: bool, wide: bool) -> Self {
        Self {
            little,
            wide,
            bytes: vec![0; 16],
        }
    }

    pub fn number(&self, value: usize, bytes: usize) -> Vec<u8> {
        match self.little {
            true => value.to_le_bytes()[..bytes].to_vec(),
            false => value.to_be_bytes()[8 - bytes..].to_vec(),
        }
    }

    pub fn short(&self, tag: u16, value: usize) -> Tag {
        (tag, SHORT, self.number(value, 2))
    }

    pub fn long(&self, tag: u16, value: usize) -> Tag {
        (tag, LONG, self.number(value, 4))
    }

    fn data(&mut self, data: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        self.bytes.extend(data);
        self.bytes.len() - data.len()
    }

    /// Adds a directory, which is followed by another; where it is.
    pub fn directory(&mut self, tags: &[Tag], next: usize) -> usize {
        let side = if self.wide { 8 } else { 4 };
        let mut tags = tags.to_vec();
        tags.sort_by_key(|(tag, ..)| *tag);
        let mut directory = self.number(tags.len(), if self.wide { 8 } else { 2 });
        for (tag, kind, data) in tags {
            let unit = match kind {
                SHORT => 2,
                LONG => 4,
                DOUBLE | RATIONAL => 8,
                _ => 1,
            };
            directory.extend(self.number(tag.into(), 2));
            directory.extend(self.number(kind.into(), 2));
            directory.extend(self.number(data.len() / unit, side));
            let mut value = data.clone();
            if value.len() > side {
                let at = self.data(&data);
                value = self.number(at, side);
            }
            value.resize(side, 0);
            directory.extend(value);
        }
        directory.extend(self.number(next, side));
        self.data(&directory)
    }

    /// Tags of 8-bit pixels of one gray.
    pub fn pixels(&mut self, side: usize, level: u8) -> Vec<Tag> {
        let at = self.data(&vec![level; side * side]);
        vec![
            self.short(256, side),
            self.short(257, side),
            self.short(258, 8),
            self.short(259, 1),
            self.short(262, 1),
            self.long(273, at),
            self.short(277, 1),
            self.short(278, side),
            self.long(279, side * side),
        ]
    }

    /// The file that begins with a directory.
    pub fn file(mut self, first: usize) -> Vec<u8> {
        let mut head = if self.little { b"II" } else { b"MM" }.to_vec();
        match self.wide {
            true => {
                head.extend([43, 8, 0].map(|v| self.number(v, 2)).concat());
                head.extend(self.number(first, 8));
            }
            false => {
                head.extend(self.number(42, 2));
                head.extend(self.number(first, 4));
            }
        }
        self.bytes[..head.len()].copy_from_slice(&head);
        self.bytes
    }
}

pub fn read(bytes: &[u8]) -> Decoded {
    let folder = Folder::new();
    let path = folder.write("file.tif", bytes);
    decode(&path, &DecodeOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

pub fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|bytes| bytes == part)
}

/// An entry of an EXIF block in little endian: tag, type, count.
pub fn entry(tag: u16, kind: u16, count: u32) -> Vec<u8> {
    let head = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
    [head, count.to_le_bytes().to_vec()].concat()
}

#[test]
fn the_preview_of_a_raw_file_is_not_taken_for_its_picture() {
    for (colors, wide) in [(32_803, false), (32_803, true), (34_892, false)] {
        let mut tiff = Tiff::new(false, wide);
        let mut raw = tiff.pixels(24, 9);
        raw[4] = tiff.short(262, colors);
        let raw = tiff.directory(&raw, 0);
        let mut preview = tiff.pixels(4, 200);
        preview.extend([tiff.long(254, 1), tiff.long(SUB_DIRECTORIES, raw)]);
        let first = tiff.directory(&preview, 0);
        let folder = Folder::new();
        let path = folder.write("camera.nef", tiff.file(first));
        let text = message(Picture::open(&path), &path);
        assert!(text.starts_with("is a camera's raw file, "), "{text}");
        assert_eq!(message(srdiff::image::dimensions(&path), &path), text);
    }
    let folder = Folder::new();
    let path = folder.write("camera.cr2", b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0");
    let text = message(Picture::open(&path), &path);
    assert!(text.starts_with("is a camera's raw file, "), "{text}");
}

/// Pixels that begin as the mark of Canon's raw files does.
#[test]
fn pixels_are_not_taken_for_a_signature() {
    let mut bytes = b"II*\0\x0c\0\0\0CR\x02\0".to_vec();
    let tags = [
        (256, 2),
        (257, 2),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 2),
        (279, 4),
    ];
    bytes.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend(entry(tag, LONG, 1));
        bytes.extend(u32::to_le_bytes(value));
    }
    bytes.extend([0; 4]);
    let decoded = read(&bytes);
    let expected = [[b'C'; 3], [b'R'; 3], [2; 3], [0; 3]].concat();
    assert_eq!(decoded.picture.rgb8()[..], expected);
}

/// Looking at them took a second a page.
#[test]
fn directories_below_many_pages_are_looked_at_once() {
    let mut tiff = Tiff::new(true, false);
    let mut tags: Vec<Tag> = (1000..61_000).map(|tag| tiff.short(tag, 1)).collect();
    tags.extend([tiff.short(256, 1), tiff.short(257, 1)]);
    let large = tiff.directory(&tags, 0);
    let below = tiff.number(large, 4).repeat(100);
    let mut next = 0;
    for kind in [0, 1] {
        for _ in 0..30 {
            let mut tags = tiff.pixels(2, 7);
            tags.extend([tiff.long(254, kind), (SUB_DIRECTORIES, LONG, below.clone())]);
            next = tiff.directory(&tags, next);
        }
    }
    let bytes = tiff.file(next);
    let start = std::time::Instant::now();
    assert_eq!(read(&bytes).picture.width, 2);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn broken_tags_that_a_picture_can_do_without_are_passed_over() {
    const SLONG: u16 = 9;
    for number in [SUB_DIRECTORIES, 254, 255, 274] {
        for (kind, value) in [
            (SLONG, vec![0xff; 4]),
            (UNDEFINED, vec![1; 4]),
            (DOUBLE, vec![1; 8]),
            (LONG, vec![0xff; 12]),
            (LONG, vec![1; 4000]),
        ] {
            let mut tiff = Tiff::new(true, false);
            let mut tags = tiff.pixels(3, 7);
            let is_outside = value.len() == 12;
            let head = entry(number, kind, 3);
            tags.push((number, kind, value));
            let first = tiff.directory(&tags, 0);
            let mut bytes = tiff.file(first);
            if is_outside {
                let place = bytes.windows(8).position(|part| part == head).unwrap() + 8;
                bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
            }
            let decoded = read(&bytes);
            assert_eq!(decoded.picture.rgb8()[..], [7; 27], "{number} {kind}");
        }
    }
}

#[test]
fn a_mask_is_not_taken_for_the_largest_picture() {
    for is_marked in [false, true] {
        let mut tiff = Tiff::new(true, false);
        let mut tags = tiff.pixels(9, 255);
        match is_marked {
            true => tags.push(tiff.long(254, 4)),
            false => tags[4] = tiff.short(262, 4),
        }
        let mask = tiff.directory(&tags, 0);
        let mut tags = tiff.pixels(3, 200);
        tags.push(tiff.long(254, 1));
        let first = tiff.directory(&tags, mask);
        let decoded = read(&tiff.file(first));
        assert_eq!((decoded.picture.width, decoded.notes.len()), (3, 1));
    }
}

#[test]
fn a_picture_below_its_smaller_version_is_read() {
    for (little, wide) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut tiff = Tiff::new(little, wide);
        let smaller = {
            let mut tags = tiff.pixels(5, 10);
            tags.push(tiff.long(254, 1));
            tiff.directory(&tags, 0)
        };
        let tags = tiff.pixels(6, 100);
        let whole = tiff.directory(&tags, 0);
        let mut tags = tiff.pixels(3, 200);
        let below = [tiff.number(smaller, 4), tiff.number(whole, 4)].concat();
        tags.extend([
            tiff.long(254, 1),
            (SUB_DIRECTORIES, LONG, below),
            (271, ASCII, b"Camera\0".to_vec()),
        ]);
        let first = tiff.directory(&tags, 0);
        let decoded = read(&tiff.file(first));
        assert_eq!((decoded.picture.width, decoded.notes.len()), (6, 0));
        assert_eq!(decoded.picture.rgb8()[..3], [100; 3]);
        assert!(holds(&decoded.picture.metadata.exif.unwrap(), b"Camera\0"));
    }
}

#[test]
fn a_smaller_version_alone_is_read_and_told() {
    let mut tiff = Tiff::new(true, false);
    let mut tags = tiff.pixels(3, 200);
    tags.push(tiff.long(254, 1));
    let first = tiff.directory(&tags, 0);
    let decoded = read(&tiff.file(first));
    assert_eq!((decoded.picture.width, decoded.notes.len()), (3, 1));
}

#[test]
fn the_old_mark_of_a_smaller_version_counts() {
    let mut tiff = Tiff::new(true, false);
    let tags = tiff.pixels(6, 100);
    let second = tiff.directory(&tags, 0);
    let mut tags = tiff.pixels(3, 200);
    tags.push(tiff.short(255, 2));
    let first = tiff.directory(&tags, second);
    let decoded = read(&tiff.file(first));
    assert_eq!((decoded.picture.width, decoded.notes), (6, vec![]));
}

#[test]
fn strips_without_lengths_are_read_up_to_the_next() {
    let mut tiff = Tiff::new(true, false);
    let mut tags = tiff.pixels(4, 7);
    let [first, second] = [10, 20].map(|level| tiff.data(&[level; 8]));
    let places = [tiff.number(first, 4), tiff.number(second, 4)].concat();
    tags.retain(|(tag, ..)| ![273, 278, 279].contains(tag));
    tags.extend([
        tiff.short(278, 2),
        (273, LONG, places),
        (279, LONG, vec![0; 8]),
    ]);
    let directory = tiff.directory(&tags, 0);
    let decoded = read(&tiff.file(directory));
    let expected = [[10; 24], [20; 24]].concat();
    assert_eq!(decoded.picture.rgb8()[..], expected);
    assert_eq!(decoded.notes, [""; 0]);
}

#[test]
fn strips_whose_lengths_are_not_stated_are_told() {
    let mut tiff = Tiff::new(true, false);
    let mut tags = tiff.pixels(4, 7);
    tags.retain(|(tag, ..)| *tag != 279);
    let first = tiff.directory(&tags, 0);
    let folder = Folder::new();
    let path = folder.write("file.tif", tiff.file(first));
    let text = message(Picture::open(&path), &path);
    assert!(
        text.contains("lengths of its strips are not stated"),
        "{text}"
    );
}

#[test]
fn strips_that_are_not_stored_are_zeros_and_told() {
    for compression in [1, 8, 32_773] {
        let mut tiff = Tiff::new(true, false);
        let mut tags = tiff.pixels(4, 7);
        let data = match compression {
            1 => vec![7; 8],
            // A run of 8, and a stream of zlib without compression.
            32_773 => vec![249, 7],
            _ => [&b"\x78\x01\x01\x08\0\xf7\xff"[..], &[7; 8], b"\x01\0\0\0"].concat(),
        };
        let at = tiff.data(&data);
        let numbers = |value| [tiff.number(value, 4), tiff.number(0, 4)].concat();
        let (places, lengths) = (numbers(at), numbers(data.len()));
        tags.retain(|(tag, ..)| ![259, 273, 278, 279].contains(tag));
        tags.extend([
            tiff.short(259, compression),
            tiff.short(278, 2),
            (273, LONG, places),
            (279, LONG, lengths),
        ]);
        let directory = tiff.directory(&tags, 0);
        let folder = Folder::new();
        let path = folder.write("sparse.tif", tiff.file(directory));
        let options = DecodeOptions {
            // The checksum of the stream is wrong.
            tolerant: compression == 8,
            ..DecodeOptions::default()
        };
        let decoded = decode(&path, &options).unwrap();
        let expected = [[7; 24], [0; 24]].concat();
        assert_eq!(decoded.picture.rgb8()[..], expected, "{compression}");
        let told = "1 of its 2 strips are not stored and were read as zeros";
        assert!(
            decoded.notes.iter().any(|note| note == told),
            "{:?}",
            decoded.notes
        );
    }
}
