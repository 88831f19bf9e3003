//! Animations and files of several pages.

use super::files::{Folder, chunk, message, page, png, tiff_pages};
use ::image::codecs::gif::GifEncoder;
use ::image::{Delay, Frame, Rgba, RgbaImage};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use srdiff::image::{DecodeOptions, Picture, decode, frames};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

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
    let sizes: Vec<_> = (frames(&path, 100).unwrap().iter())
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
    let found: Vec<_> = frames(&path, 100)
        .unwrap()
        .iter()
        .map(|f| f.duration)
        .collect();
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
struct Part<'a> {
    place: [u32; 4],
    dispose: u8,
    blend: u8,
    /// Rows, each after its filter.
    rows: &'a [u8],
}

/// An animated PNG file of 2x1 pixels with alpha.
fn apng(depth: u8, parts: &[Part<'_>]) -> Vec<u8> {
    let still = png(2, 1, [depth, 6], &[], &[0; 9]);
    let mut bytes = still[..33].to_vec();
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
    let all = frames(&path, 100).unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].duration, Some(Duration::from_millis(250)));
    let colors = |number| [0, 1].map(|x| pixel(&frame(&path, number), x, 0));
    assert_eq!(colors(1), [red, red]);
    assert_eq!(colors(2), [red, [100, 0, 100, 255]]);
    assert_eq!(colors(3), [green, red]);
    assert_eq!(colors(4), [[0; 4], green]);
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

#[test]
fn frames_of_webp_are_composed() {
    // Made with libwebp: red, then a blue dot on it.
    let path = Path::new("tests/data/pictures/webp_animation.webp");
    let all = frames(path, 10_000).unwrap();
    let durations: Vec<_> = all.iter().map(|frame| frame.duration).collect();
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
    let all = frames(&path, 100).unwrap();
    assert_eq!((all.len(), all[0].duration), (1, None));
    assert_eq!(frame(&path, 1).rgb8()[..], [7, 7, 7, 8, 8, 8]);
}
