//! Animations and files of several pages of which some are cut off or damaged.

use super::files::{Folder, message, page, tiff_pages};
use super::frames::{Part, WebPPart, animated_webp, apng, lossless};
use ::image::codecs::gif::GifEncoder;
use ::image::{Frame, Rgba, RgbaImage};
use srdiff::image::{DecodeOptions, Frames, decode, frames};
use std::path::Path;

fn tolerant() -> DecodeOptions {
    DecodeOptions {
        tolerant: true,
        ..DecodeOptions::default()
    }
}

/// The frames before those that are missing, with a note, and an error where that is
/// not tolerated.
fn check_lacking(path: &Path, expected: usize, reason: &str) {
    let text = message(frames(path, &DecodeOptions::default()), path);
    assert!(text.starts_with("is truncated or damaged ("), "{text}");
    assert!(text.contains(reason), "{text}");
    let Frames { list, notes } = frames(path, &tolerant()).unwrap();
    assert_eq!(list.len(), expected, "{notes:?}");
    assert!(notes[0].contains(reason), "{notes:?}");
}

fn gif_of_three_frames() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for level in [10, 20, 30] {
        let image = RgbaImage::from_fn(30, 20, |x, y| Rgba([level, (x * y) as u8, 0, 255]));
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn frames_that_are_cut_off_are_missed() {
    let folder = Folder::new();
    let bytes = gif_of_three_frames();
    let path = folder.write("cut.gif", &bytes[..bytes.len() - 60]);
    check_lacking(&path, 2, "from frame 3 on");
    let bytes = std::fs::read("tests/data/pictures/webp_animation.webp").unwrap();
    let path = folder.write("cut.webp", &bytes[..bytes.len() - 10]);
    check_lacking(&path, 1, "ends before the end");
    let rows = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    let part = || Part {
        place: [0, 0, 2, 1],
        dispose: 0,
        blend: 0,
        rows: &rows,
    };
    let bytes = apng(8, &[part(), part()]);
    let path = folder.write("cut.png", &bytes[..bytes.len() - 14]);
    check_lacking(&path, 1, "ends before the end");
}

/// As far as it goes, a file has those before the one that is damaged, and each of
/// these can be read.
#[test]
fn frames_that_can_be_found_can_be_read() {
    let folder = Folder::new();
    let gif = gif_of_three_frames();
    let rows: Vec<u8> = (0..9).collect();
    let part = || Part {
        place: [0, 0, 2, 1],
        dispose: 0,
        blend: 0,
        rows: &rows,
    };
    let webp_part = |level| WebPPart {
        place: [0, 0, 16, 8],
        clear: false,
        replace: false,
        pixels: lossless(16, 8, [level, 0, 0, 255]),
    };
    let files = [
        ("a.gif", gif, None),
        (
            "b.png",
            apng(8, &[part(), part(), part()]),
            Some((b"fdAT", 8)),
        ),
        (
            "c.webp",
            animated_webp(&[10, 20, 30].map(webp_part)),
            Some((b"VP8L", 8)),
        ),
    ];
    for (name, whole, damage) in files {
        let mut broken = vec![whole[..whole.len() - 22].to_vec()];
        if let Some((chunk, offset)) = damage {
            // Where its pixels begin.
            let at = whole.windows(4).rposition(|part| part == chunk).unwrap();
            let mut wrong = whole;
            wrong[at + offset] ^= 0xff;
            broken.push(wrong);
        }
        for bytes in broken {
            let path = folder.write(name, bytes);
            let Frames { list, notes } = frames(&path, &tolerant()).unwrap();
            assert_eq!(list.len(), 2, "{name}: {notes:?}");
            let reason = "read as far as possible: from frame 3 on: ";
            assert!(
                notes.iter().any(|note| note.starts_with(reason)),
                "{name}: {notes:?}"
            );
            for frame in 0..2 {
                let options = DecodeOptions {
                    frame: Some(frame),
                    ..tolerant()
                };
                decode(&path, &options).unwrap();
            }
        }
    }
}

#[test]
fn pages_that_cannot_be_reached_are_missed() {
    let folder = Folder::new();
    let tags = page([2, 1], [8, 1], 1, 1);
    let bytes = tiff_pages(&[(&tags, &[1, 2]), (&tags, &[3, 4]), (&tags, &[5, 6])]);
    // Where the second directory points to the third.
    let at = |index: usize| u32::from_le_bytes(bytes[index..index + 4].try_into().unwrap());
    let directory_bytes = 2 + 12 * (tags.len() + 2);
    let second = at(8 + directory_bytes) as usize;
    let pointer = second + directory_bytes;
    // Beyond the end of the file, and back to the first page.
    for (place, expected) in [(100_000u32, 2), (8, 1)] {
        let mut broken = bytes.clone();
        broken[pointer..pointer + 4].copy_from_slice(&place.to_le_bytes());
        let path = folder.write("broken.tif", broken);
        let reason = format!("what follows page {expected} cannot be read");
        check_lacking(&path, expected, &reason);
        let first = decode(&path, &DecodeOptions::default()).unwrap();
        assert!(first.notes.last().unwrap().starts_with(&reason));
    }
}
