//! Frames that are read one after the other are those that are read alone.

use super::files::{Folder, page, png, tiff_pages};
use super::frames::{Part, WebPPart, animated_webp, apng_of, lossless};
use ::image::codecs::gif::GifEncoder;
use ::image::{Delay, Frame, Rgba, RgbaImage};
use srdiff::image::{DecodeOptions, Decoded, FrameReader, decode, frames};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn tolerant() -> DecodeOptions {
    DecodeOptions {
        tolerant: true,
        ..DecodeOptions::default()
    }
}

/// A frame that is decoded from the start of its file, or why it cannot be.
fn alone(path: &Path, number: usize, options: &DecodeOptions) -> Result<Decoded, String> {
    let options = DecodeOptions {
        frame: Some(number),
        ..*options
    };
    decode(path, &options).map_err(|error| error.to_string())
}

/// Reads frames in this order, and compares them with those read alone.
fn check_order(path: &Path, order: &[usize], options: &DecodeOptions) {
    let mut reader = FrameReader::new(path, options);
    for &number in order {
        let found = reader.read(number).map_err(|error| error.to_string());
        let expected = alone(path, number, options);
        assert!(
            found == expected,
            "{} in {order:?}: {number}",
            path.display()
        );
    }
}

/// Reads all frames of a file in several orders.
fn check(path: &Path, options: &DecodeOptions) {
    let count = frames(path, options).unwrap().list.len();
    assert!(count > 1, "{}", path.display());
    check_order(path, &Vec::from_iter(0..count), options);
    check_order(path, &Vec::from_iter((0..count).step_by(2)), options);
    check_order(path, &Vec::from_iter((0..count).rev()), options);
    check_order(path, &[1, 1, count, 0, 1], options);
}

/// Frames in places of their own on 16x8 pixels, and what becomes of each: they stay,
/// are cleared, or what was there before comes back.
fn gif(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for number in 0..count as u32 {
        let (size, at) = match number {
            0 => ([16, 8], [0, 0]),
            _ => ([4, 3], [number % 12, number % 5]),
        };
        // With holes.
        let alpha = |x, y| 255 * u8::from((x + y) % 3 > 0 || number == 0);
        let pixel = |x, y| Rgba([number as u8, (x * 20) as u8, (y * 30) as u8, alpha(x, y)]);
        let image = RgbaImage::from_fn(size[0], size[1], pixel);
        let frame = Frame::from_parts(image, at[0], at[1], Delay::from_numer_denom_ms(40, 1));
        encoder.encode_frame(frame).unwrap();
    }
    drop(encoder);
    let mut number = 0;
    for at in 0..bytes.len() - 3 {
        if bytes[at..at + 3] == [0x21, 0xf9, 4] {
            let disposal = [1, 2, 3][number % 3];
            bytes[at + 3] = bytes[at + 3] & !0b1_1100 | disposal << 2;
            number += 1;
        }
    }
    assert_eq!(number, count);
    bytes
}

/// Frames of 1x1 and the like on 4x2 pixels of so many bits.
fn moving_png(count: usize, depth: u8, interlaced: bool) -> Vec<u8> {
    let row = |length: usize, number: usize| {
        let samples =
            (0..length * 4 * usize::from(depth) / 8).map(|n| (n * 31 + number * 57) as u8);
        [0].into_iter().chain(samples).collect::<Vec<u8>>()
    };
    let rows: Vec<Vec<u8>> = (0..count)
        .map(|number| match number {
            // The passes 1, 4, 6 and 7 of the whole canvas.
            0 if interlaced => [1, 1, 2, 4].map(|length| row(length, 0)).concat(),
            0 => [row(4, 0), row(4, 1)].concat(),
            _ => row(1, number),
        })
        .collect();
    let parts = rows.iter().enumerate().map(|(number, rows)| Part {
        place: match number as u32 {
            0 => [0, 0, 4, 2],
            number => [number % 4, number % 2, 1, 1],
        },
        dispose: (number % 3) as u8 * u8::from(number > 0),
        blend: (number % 2) as u8,
        rows,
    });
    apng_of([4, 2], depth, interlaced, &Vec::from_iter(parts))
}

fn moving_webp(count: usize) -> Vec<u8> {
    let part = |number: usize| {
        let place = match number % 4 {
            0 => [0, 0, 16, 8],
            side => [2 * side as u32, 0, 8, 8],
        };
        let color = [number as u8, 90, 10, [255, 128][number % 2]];
        WebPPart {
            place,
            clear: number % 3 == 1,
            replace: number % 5 == 2,
            pixels: lossless(place[2], place[3], color),
        }
    };
    animated_webp(&Vec::from_iter((0..count).map(part)))
}

fn moving(folder: &Folder, count: usize) -> [PathBuf; 3] {
    [
        folder.write("moving.gif", gif(count)),
        folder.write("moving.png", moving_png(count, 8, false)),
        folder.write("moving.webp", moving_webp(count)),
    ]
}

#[test]
fn frames_in_any_order_are_those_read_alone() {
    let folder = Folder::new();
    let others = [
        folder.write("deep.png", moving_png(9, 16, false)),
        folder.write("passes.png", moving_png(9, 8, true)),
        folder.write("libwebp.webp", data("webp_animation.webp")),
    ];
    for path in moving(&folder, 13).iter().chain(&others) {
        check(path, &DecodeOptions::default());
    }
    let [first, second] = [page([2, 1], [8, 1], 1, 1), page([1, 3], [8, 1], 1, 1)];
    let pages = tiff_pages(&[(&first, &[1, 2]), (&second, &[3, 4, 5])]);
    check(&folder.write("pages.tif", pages), &DecodeOptions::default());
    let still = folder.write("still.png", png(2, 1, [8, 0], &[], &[0, 7, 8]));
    check_order(&still, &[0, 1, 0], &DecodeOptions::default());
}

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/pictures").join(name)
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

/// Each layer is laid on those before it (APNG by Pillow, through cjxl -d 0).
#[cfg(feature = "jxl")]
#[test]
fn frames_of_jpeg_xl_are_those_read_alone() {
    for name in ["jxl_animation.jxl", "jxl_layers.jxl"] {
        check(&file(name), &DecodeOptions::default());
    }
}

#[cfg(feature = "avif")]
#[test]
fn frames_of_avif_are_those_read_alone() {
    for name in [
        "avif_animation.avif",
        "avif_animation_alpha.avif",
        "avif_moving.avif",
    ] {
        check(&file(name), &DecodeOptions::default());
    }
    // None has to be decoded before another, says the file; that is wrong.
    let mut bytes = data("avif_moving.avif");
    let at = bytes.windows(4).position(|part| part == b"stss").unwrap();
    bytes[at..at + 4].copy_from_slice(b"free");
    let folder = Folder::new();
    let path = folder.write("keys.avif", bytes);
    assert!(alone(&path, 1, &DecodeOptions::default()).is_err());
    check(&path, &DecodeOptions::default());
}

/// The frames before the damage are read, and those after it are, too, where a format
/// allows it.
#[test]
fn damaged_frames_fail_as_those_read_alone() {
    let folder = Folder::new();
    let mut files = moving(&folder, 9).map(|path| (path, 9)).to_vec();
    if cfg!(feature = "jxl") {
        files.push((file("jxl_layers.jxl"), 40));
    }
    if cfg!(feature = "avif") {
        files.push((file("avif_moving.avif"), 40));
    }
    let mut failures = 0;
    for (path, count) in files {
        let whole = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        for tenths in [3, 5, 8] {
            let mut bytes = whole.clone();
            let at = bytes.len() * tenths / 10;
            bytes[at..at + 6].fill(0xa5);
            let path = folder.write(&format!("damaged {name}"), bytes);
            for options in [DecodeOptions::default(), tolerant()] {
                check_order(&path, &Vec::from_iter(0..count), &options);
                failures += usize::from(alone(&path, count - 1, &options).is_err());
            }
        }
    }
    assert!(failures > 10, "{failures}");
}

/// The least time of three.
fn time(work: impl Fn()) -> Duration {
    let times = [(); 3].map(|()| {
        let started = Instant::now();
        work();
        started.elapsed()
    });
    times.into_iter().min().unwrap()
}

/// Decoding the last frame alone takes all of them; so do all in their order, and far
/// more if each is decoded alone.
fn check_time(path: &Path, count: usize) {
    let options = DecodeOptions::default();
    let last = time(|| drop(alone(path, count - 1, &options).unwrap()));
    let all = time(|| {
        let mut reader = FrameReader::new(path, &options);
        (0..count).for_each(|number| drop(reader.read(number).unwrap()));
    });
    let name = path.display();
    let most = count as u32 / 5;
    assert!(
        all < most * last,
        "{name}: {all:?}, the last alone {last:?}"
    );
}

#[test]
fn no_frame_is_decoded_twice() {
    let folder = Folder::new();
    moving(&folder, 200)
        .iter()
        .for_each(|path| check_time(path, 200));
    if cfg!(feature = "jxl") {
        check_time(&file("jxl_layers.jxl"), 40);
    }
    if cfg!(feature = "avif") {
        check_time(&file("avif_moving.avif"), 40);
    }
}
