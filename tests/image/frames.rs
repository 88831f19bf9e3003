//! Animations and files of several pages.

use super::files::{Folder, chunk, files, message, page, png, tiff_pages};
use ::image::codecs::gif::GifEncoder;
use ::image::codecs::webp::WebPEncoder;
use ::image::{Delay, ExtendedColorType, Frame, Rgba, RgbaImage};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use srdiff::image::{DecodeOptions, Frames, Picture, decode, frames};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

fn all(path: &Path) -> Vec<srdiff::image::Frame> {
    let Frames { list, notes } = frames(path, &DecodeOptions::default()).unwrap();
    assert_eq!(notes, [""; 0]);
    list
}

fn tolerant() -> DecodeOptions {
    DecodeOptions {
        tolerant: true,
        ..DecodeOptions::default()
    }
}

fn frame(path: &Path, number: usize) -> Picture {
    let options = DecodeOptions {
        frame: Some(number - 1),
        ..DecodeOptions::default()
    };
    let decoded = decode(path, &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(decoded.notes, [""; 0]);
    decoded.picture
}

/// Red, green, blue and opacity of a pixel.
fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 4] {
    let index = y * picture.width + x;
    let rgb = picture.rgb8();
    let alpha = picture
        .alpha
        .as_ref()
        .map_or(255, |alpha| alpha.to_u8()[index]);
    [
        rgb[3 * index],
        rgb[3 * index + 1],
        rgb[3 * index + 2],
        alpha,
    ]
}

#[test]
fn pages_have_their_own_sizes() {
    let folder = Folder::new();
    let [first, second] = [page([2, 1], [8, 1], 1, 1), page([1, 3], [8, 1], 1, 1)];
    let bytes = tiff_pages(&[(&first, &[1, 2]), (&second, &[3, 4, 5])]);
    let path = folder.write("pages.tif", bytes);
    let sizes: Vec<_> = (all(&path).iter())
        .map(|page| (page.width, page.height, page.duration))
        .collect();
    assert_eq!(sizes, [(2, 1, None), (1, 3, None)]);
    assert_eq!(frame(&path, 1).rgb8()[..], [1, 1, 1, 2, 2, 2]);
    assert_eq!(frame(&path, 2).rgb8()[..], [3, 3, 3, 4, 4, 4, 5, 5, 5]);
    let options = DecodeOptions {
        frame: Some(2),
        ..DecodeOptions::default()
    };
    let expected = "has 2 frames or pages, and no number 3; choose one that it has";
    assert_eq!(message(decode(&path, &options), &path), expected);
}

#[test]
fn frames_of_gif_are_composed() {
    let folder = Folder::new();
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    let background = RgbaImage::from_pixel(3, 2, Rgba([200, 0, 0, 255]));
    let mut dot = RgbaImage::new(3, 2);
    dot.put_pixel(1, 1, Rgba([0, 0, 200, 255]));
    for (image, milliseconds) in [(background, 40), (dot, 250)] {
        let delay = Delay::from_numer_denom_ms(milliseconds, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .unwrap();
    }
    drop(encoder);
    let path = folder.write("moving.gif", &bytes);
    let found: Vec<_> = all(&path).iter().map(|f| f.duration).collect();
    assert_eq!(found, [40, 250].map(|ms| Some(Duration::from_millis(ms))));
    assert_eq!(pixel(&frame(&path, 1), 1, 1), [200, 0, 0, 255]);
    // The encoder has each frame cleared before the next.
    let second = frame(&path, 2);
    assert_eq!(pixel(&second, 0, 0)[3], 0);
    assert_eq!(pixel(&second, 1, 1), [0, 0, 200, 255]);
    let control = bytes.windows(3).position(|part| part == [0x21, 0xf9, 4]);
    let disposal = &mut bytes[control.unwrap() + 3];
    *disposal = *disposal & !0b1_1100 | 1 << 2;
    let kept = frame(&folder.write("kept.gif", bytes), 2);
    assert_eq!(pixel(&kept, 0, 0), [200, 0, 0, 255]);
    assert_eq!(pixel(&kept, 1, 1), [0, 0, 200, 255]);
    let first_alone = decode(&path, &DecodeOptions::default()).unwrap();
    assert_eq!(first_alone.notes.len(), 1);
}

/// A frame of an animated PNG file: where it is, and how it is disposed of and
/// blended.
pub struct Part<'a> {
    pub place: [u32; 4],
    pub dispose: u8,
    pub blend: u8,
    /// Rows, each after its filter.
    pub rows: &'a [u8],
}

/// An animated PNG file of 2x1 pixels with alpha.
fn apng(depth: u8, parts: &[Part<'_>]) -> Vec<u8> {
    apng_of([2, 1], depth, false, parts)
}

pub fn apng_of(
    [width, height]: [u32; 2],
    depth: u8,
    interlaced: bool,
    parts: &[Part<'_>],
) -> Vec<u8> {
    let mut header = [width, height].map(u32::to_be_bytes).concat();
    header.extend([depth, 6, 0, 0, interlaced.into()]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"IHDR", &header));
    let count = (parts.len() as u32).to_be_bytes();
    bytes.extend(chunk(b"acTL", &[count, [0; 4]].concat()));
    let mut number = 0u32;
    let mut next = || {
        number += 1;
        (number - 1).to_be_bytes()
    };
    for (index, part) in parts.iter().enumerate() {
        let [x, y, width, height] = part.place;
        let place = [width, height, x, y].map(u32::to_be_bytes);
        let delay = [0, 1, 0, 4];
        let control = [
            &next()[..],
            place.as_flattened(),
            &delay,
            &[part.dispose, part.blend],
        ];
        bytes.extend(chunk(b"fcTL", &control.concat()));
        let mut data = ZlibEncoder::new(Vec::new(), Compression::default());
        data.write_all(part.rows).unwrap();
        let data = data.finish().unwrap();
        match index {
            0 => bytes.extend(chunk(b"IDAT", &data)),
            _ => bytes.extend(chunk(b"fdAT", &[&next()[..], &data].concat())),
        }
    }
    bytes.extend(chunk(b"IEND", &[]));
    bytes
}

#[test]
fn frames_of_png_are_composed() {
    let [red, green] = [[200, 0, 0, 255], [0, 200, 0, 255]];
    let half_blue = [0, 0, 200, 128];
    let whole = [0, 0, 2, 1];
    let right = [1, 0, 1, 1];
    let part = |place, dispose, blend, rows| Part {
        place,
        dispose,
        blend,
        rows,
    };
    let first = [&[0], &red[..], &red].concat();
    let second = [&[0], &half_blue[..]].concat();
    let third = [&[0], &green[..]].concat();
    let left = [0, 0, 1, 1];
    let bytes = apng(
        8,
        &[
            part(whole, 0, 0, &first),
            // Laid over the first, and taken away again.
            part(right, 2, 1, &second),
            // In its place, and cleared.
            part(left, 1, 0, &third),
            part(right, 0, 0, &third),
        ],
    );
    let folder = Folder::new();
    let path = folder.write("moving.png", bytes);
    let list = all(&path);
    assert_eq!(list.len(), 4);
    assert_eq!(list[0].duration, Some(Duration::from_millis(250)));
    let colors = |number| [0, 1].map(|x| pixel(&frame(&path, number), x, 0));
    assert_eq!(colors(1), [red, red]);
    assert_eq!(colors(2), [red, [100, 0, 100, 255]]);
    assert_eq!(colors(3), [green, red]);
    assert_eq!(colors(4), [[0; 4], green]);
}

#[test]
fn interlaced_frames_of_png_are_composed() {
    let color = |red: u8| [red, 0, 0, 255];
    // The passes that a canvas of 4x2 has: 1, 4, 6 and 7.
    let ground: Vec<u8> = [1, 1, 2, 4]
        .iter()
        .flat_map(|&count| [&[0][..], &color(9).repeat(count)].concat())
        .collect();
    // Those of 2x2: 1, 6 and 7.
    let [a, b, c, d] = [10, 20, 30, 40].map(color);
    let dot = [&[0], &a[..], &[0], &b, &[0], &c, &d].concat();
    let part = |place, rows| Part {
        place,
        dispose: 0,
        blend: 0,
        rows,
    };
    let parts = [part([0, 0, 4, 2], &ground), part([2, 0, 2, 2], &dot)];
    let bytes = apng_of([4, 2], 8, true, &parts);
    let folder = Folder::new();
    let second = frame(&folder.write("interlaced.png", bytes), 2);
    let reds: Vec<u8> = second.rgb8().iter().step_by(3).copied().collect();
    assert_eq!(reds, [9, 9, 10, 20, 9, 9, 30, 40]);
}

#[test]
fn sixteen_bits_of_an_animation_stay() {
    let row = |level: u16| {
        let pixel: Vec<u8> = [level, 1, 2, 65_535]
            .iter()
            .flat_map(|v| v.to_be_bytes())
            .collect();
        [&[0], &pixel[..], &pixel].concat()
    };
    let [first, second] = [row(1000), row(1001)];
    let part = |rows| Part {
        place: [0, 0, 2, 1],
        dispose: 0,
        blend: 0,
        rows,
    };
    let folder = Folder::new();
    let path = folder.write("wide.png", apng(16, &[part(&first), part(&second)]));
    assert_eq!(frame(&path, 1).rgb.to_u16()[0], 1000);
    assert_eq!(frame(&path, 2).rgb.to_u16()[0], 1001);
}

/// A frame of an animated WebP file: its place, whether it is cleared before the
/// next and put in the place of what is there, and its pixels as a chunk.
pub struct WebPPart {
    pub place: [u32; 4],
    pub clear: bool,
    pub replace: bool,
    pub pixels: Vec<u8>,
}

/// An animated WebP file of 16x8 pixels with alpha.
pub fn animated_webp(parts: &[WebPPart]) -> Vec<u8> {
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8; 4], data: &[u8]| {
        assert_eq!(data.len() % 2, 0);
        [name, &(data.len() as u32).to_le_bytes()[..], data].concat()
    };
    let mut content = b"WEBP".to_vec();
    let flags = vec![0x12, 0, 0, 0];
    content.extend(chunk(b"VP8X", &[flags, three(15), three(7)].concat()));
    // A background that viewers do not show.
    content.extend(chunk(b"ANIM", &[90, 90, 90, 255, 0, 0]));
    for part in parts {
        let [x, y, width, height] = part.place;
        let how = u8::from(part.clear) | u8::from(part.replace) << 1;
        let mut head = [x / 2, y / 2, width - 1, height - 1, 40]
            .map(three)
            .concat();
        head.push(how);
        content.extend(chunk(b"ANMF", &[head, part.pixels.clone()].concat()));
    }
    chunk(b"RIFF", &content)
}

/// One colour, compressed without loss.
pub fn lossless(width: u32, height: u32, color: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    RgbaImage::from_pixel(width, height, Rgba(color))
        .write_with_encoder(WebPEncoder::new_lossless(&mut bytes))
        .unwrap();
    bytes[12..].to_vec()
}

#[test]
fn what_a_frame_of_webp_leaves_is_cleared() {
    let [red, blue, green] = [[200, 0, 0, 255], [0, 0, 200, 255], [0, 160, 0, 255]];
    let half_green = [0, 200, 0, 128];
    // 8x8 pixels without alpha.
    let lossy = std::fs::read("tests/data/pictures/webp_lossy.webp").unwrap()[12..].to_vec();
    let part = |place, clear, pixels| WebPPart {
        place,
        clear,
        replace: false,
        pixels,
    };
    let (left, right, whole) = ([0, 0, 8, 8], [8, 0, 8, 8], [0, 0, 16, 8]);
    let bytes = animated_webp(&[
        part(whole, false, lossless(16, 8, red)),
        part(right, true, lossless(8, 8, blue)),
        // Clears the blue at the right.
        part(left, false, lossless(8, 8, blue)),
        part(right, true, lossless(8, 8, blue)),
        // The same before a frame without alpha,
        part(left, false, lossy),
        part(right, true, lossless(8, 8, blue)),
        // and before one of the whole canvas, which lies on what is left.
        part(whole, false, lossless(16, 8, half_green)),
    ]);
    let folder = Folder::new();
    let path = folder.write("moving.webp", bytes);
    assert_eq!(all(&path).len(), 7);
    let colors = |number| [3, 11].map(|x| pixel(&frame(&path, number), x, 5));
    assert_eq!(colors(1), [red, red]);
    assert_eq!(colors(2), [red, blue]);
    assert_eq!(colors(3), [blue, [0; 4]]);
    assert_eq!(colors(4), [blue, blue]);
    let [lossy, cleared] = colors(5);
    let near = |a: [u8; 4], b: [u8; 4]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 3);
    assert!(near(lossy, green), "{lossy:?}");
    assert_eq!(cleared, [0; 4]);
    let [over, alone] = colors(7);
    assert!(near(over, [0, 180, 0, 255]), "{over:?}");
    assert_eq!(alone, half_green);
}

#[test]
fn frames_of_webp_are_composed() {
    // Made with libwebp: red, then a blue dot on it.
    let path = Path::new("tests/data/pictures/webp_animation.webp");
    let list = all(path);
    let durations: Vec<_> = list.iter().map(|frame| frame.duration).collect();
    assert_eq!(
        durations,
        [40, 250].map(|ms| Some(Duration::from_millis(ms)))
    );
    assert_eq!(pixel(&frame(path, 1), 9, 9), [200, 0, 0, 255]);
    let second = frame(path, 2);
    assert_eq!(pixel(&second, 0, 0), [200, 0, 0, 255]);
    // The decoder rounds what it blends.
    let dot = pixel(&second, 9, 9);
    assert!(dot[0] <= 1 && dot[2] >= 199 && dot[3] == 255, "{dot:?}");
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

#[test]
fn frames_that_are_cut_off_are_missed() {
    let folder = Folder::new();
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for level in [10, 20, 30] {
        let image = RgbaImage::from_fn(30, 20, |x, y| Rgba([level, (x * y) as u8, 0, 255]));
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
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
    let mut gif = Vec::new();
    let mut encoder = GifEncoder::new(&mut gif);
    for level in [10, 20, 30] {
        let image = RgbaImage::from_fn(30, 20, |x, y| Rgba([level, (x * y) as u8, 0, 255]));
        encoder.encode_frame(Frame::new(image)).unwrap();
    }
    drop(encoder);
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

#[test]
fn one_picture_is_one_frame() {
    let folder = Folder::new();
    let path = folder.write("still.png", png(2, 1, [8, 0], &[], &[0, 7, 8]));
    let list = all(&path);
    assert_eq!((list.len(), list[0].duration), (1, None));
    assert_eq!(frame(&path, 1).rgb8()[..], [7, 7, 7, 8, 8, 8]);
    let picture = Picture::new(2, 1, vec![7, 7, 7, 8, 8, 8]);
    for (format, bytes) in files([2, 1], ExtendedColorType::Rgb8, &picture.rgb8()) {
        let path = folder.write("still", bytes);
        assert_eq!(all(&path).len(), 1, "{format}");
        frame(&path, 1);
        let options = DecodeOptions {
            frame: Some(5),
            ..DecodeOptions::default()
        };
        let expected = "has 1 frames or pages, and no number 6; choose one that it has";
        assert_eq!(
            message(decode(&path, &options), &path),
            expected,
            "{format}"
        );
    }
}
