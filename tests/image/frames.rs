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
pub fn apng(depth: u8, parts: &[Part<'_>]) -> Vec<u8> {
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
