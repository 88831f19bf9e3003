//! Images that are written some rows at a time.

use super::files::{Folder, message, profile};
use super::{noise, noise_picture};
use srdiff::image::{
    EncodeOptions, ImageProblem, OutputFormat, Picture, Samples, Strip, encode_rows, save_rows,
};
use std::fs;
use std::io::{self, Cursor, Seek, SeekFrom, Write};

const FORMATS: [(OutputFormat, &str); 4] = [
    (OutputFormat::Png, "png"),
    (OutputFormat::Jpeg, "jpg"),
    (OutputFormat::WebP, "webp"),
    (OutputFormat::Tiff, "tif"),
];

/// An image without its pixels, and those in strips of so many rows.
fn cut(picture: &Picture, heights: &[usize]) -> (Picture, Vec<Strip>) {
    let part = |samples: &Samples, from: usize, to: usize| match samples {
        Samples::U8(samples) => samples[from..to].to_vec().into(),
        Samples::U16(samples) => samples[from..to].to_vec().into(),
    };
    let mut y = 0;
    let strip = |&rows: &usize| {
        let (from, to) = (y * picture.width, (y + rows) * picture.width);
        let strip = Strip {
            y,
            rows,
            rgb: part(&picture.rgb, 3 * from, 3 * to),
            alpha: picture.alpha.as_ref().map(|a| part(a, from, to)),
        };
        y += rows;
        strip
    };
    let strips = heights.iter().map(strip).collect();
    let empty = |samples: &Samples| part(samples, 0, 0);
    let head = Picture {
        rgb: empty(&picture.rgb),
        alpha: picture.alpha.as_ref().map(empty),
        ..picture.clone()
    };
    (head, strips)
}

/// Images of all kinds, 700 x 211: more than a strip of a TIFF file.
fn kinds() -> Vec<Picture> {
    let (width, height) = (700, 211);
    let pixels = width * height;
    let wide = |count, seed| -> Samples {
        let pairs = noise(2 * count, seed);
        let values = pairs
            .chunks_exact(2)
            .map(|v| u16::from_le_bytes([v[0], v[1]]));
        values.collect::<Vec<u16>>().into()
    };
    let mut kinds = Vec::new();
    for sixteen in [false, true] {
        for gray in [false, true] {
            for alpha in [false, true] {
                let mut picture = match sixteen {
                    true => Picture::with_samples(width, height, wide(3 * pixels, 1)),
                    false => noise_picture(width, height, 1),
                };
                if gray {
                    picture = picture.into_gray();
                }
                picture.alpha = alpha.then(|| match sixteen {
                    true => wide(pixels, 2),
                    false => noise(pixels, 2).into(),
                });
                picture.metadata.dpi = Some([300.0, 150.0]);
                kinds.push(picture);
            }
        }
    }
    kinds
}

#[test]
fn strips_of_any_height_make_the_file_of_the_whole_image() {
    let folder = Folder::new();
    for (index, picture) in kinds().iter().enumerate() {
        for (format, extension) in FORMATS {
            let options = EncodeOptions::default();
            let whole = folder.path(&format!("{index}.{extension}"));
            picture.save(&whole, format, &options, true).unwrap();
            let expected = Picture::open(&whole).unwrap();
            for heights in [&[211][..], &[1, 64, 3, 7, 100, 36], &[64, 64, 64, 19]] {
                let (head, strips) = cut(picture, heights);
                let path = folder.path(&format!("cut.{extension}"));
                let strips = &mut strips.into_iter();
                save_rows(&head, &path, format, &options, true, strips).unwrap();
                let found = Picture::open(&path).unwrap();
                assert!(found == expected, "{index}, {format}, {heights:?}");
            }
            // Formats without loss give back the image itself.
            let keeps_bits = picture.rgb.bits() == 8 || format != OutputFormat::WebP;
            if format != OutputFormat::Jpeg && keeps_bits {
                assert!(expected.rgb == picture.rgb, "{index}, {format}");
                assert!(expected.alpha == picture.alpha, "{index}, {format}");
            }
        }
    }
}

#[test]
fn a_gray_profile_that_webp_cannot_hold_is_applied_to_strips_too() {
    let mut picture = noise_picture(9, 6, 1).into_gray();
    picture.metadata.icc_profile = Some(profile(b"GRAY").to_vec());
    let options = EncodeOptions::default();
    let expected = picture.encode(OutputFormat::WebP, &options).unwrap();
    let (head, strips) = cut(&picture, &[1, 5]);
    let mut bytes = Cursor::new(Vec::new());
    let strips = &mut strips.into_iter();
    encode_rows(&head, OutputFormat::WebP, &options, &mut bytes, strips).unwrap();
    assert_eq!(bytes.into_inner(), expected);
}

#[test]
fn rows_that_are_missing_or_wrong_leave_no_file() {
    let folder = Folder::new();
    let old = folder.write("old", "old");
    let picture = noise_picture(8, 10, 1);
    type Spoil = dyn Fn(&mut Vec<Strip>);
    let wrong: [(&str, &Spoil); 5] = [
        ("has only 7 of its 10 rows", &|strips| drop(strips.pop())),
        ("has only 0 of its 10 rows", &|strips| strips.clear()),
        ("has only 4 of its 10 rows", &|strips| {
            drop(strips.remove(1))
        }),
        ("has only 7 of its 10 rows", &|strips| strips[2].rows = 4),
        ("has only 4 of its 10 rows", &|strips| {
            strips[1].rgb = vec![0u8; 3].into();
        }),
    ];
    for (format, extension) in FORMATS {
        for (start, spoil) in wrong {
            let (head, mut strips) = cut(&picture, &[4, 3, 3]);
            spoil(&mut strips);
            for path in [folder.path(&format!("new.{extension}")), old.clone()] {
                let options = EncodeOptions::default();
                let strips = &mut strips.clone().into_iter();
                let result = save_rows(&head, &path, format, &options, true, strips);
                let text = message(result, &path);
                assert!(text.starts_with(start), "{format}: {text}");
            }
        }
    }
    assert_eq!(folder.names(), ["old"]);
    assert_eq!(fs::read(old).unwrap(), b"old");
}

/// A disk that has room for some bytes.
struct Small {
    bytes: Cursor<Vec<u8>>,
    room: usize,
}

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.saturating_sub(self.bytes.position() as usize);
        match room.min(bytes.len()) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            count => self.bytes.write(&bytes[..count]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Small {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[test]
fn a_full_disk_is_told_as_such() {
    let picture = noise_picture(64, 64, 1);
    for (format, _) in FORMATS {
        let options = EncodeOptions::default();
        let size = picture.encode(format, &options).unwrap().len();
        let write = |room| {
            let (head, strips) = cut(&picture, &[64]);
            let bytes = Cursor::new(Vec::new());
            let file = &mut Small { bytes, room };
            encode_rows(&head, format, &options, file, &mut strips.into_iter())
        };
        for room in [0, 1, size / 2, size - 1] {
            match write(room) {
                Err(ImageProblem::Write(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                }
                other => panic!("{format}, {room} of {size}: {other:?}"),
            }
        }
        write(size).unwrap();
    }
}
