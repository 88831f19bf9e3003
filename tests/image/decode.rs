//! Files to pixels.

use super::files::{Folder, exif, message, png, profile, tiff};
use super::{noise, noise_picture};
use ::image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder,
};
use ::image::{ExtendedColorType, ImageEncoder};
use srdiff::image::{ImageProblem, Picture, dimensions};
use std::io::Cursor;

/// What an encoder makes of samples.
fn encoded(
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

/// A file of each format that is read, by one name that fits none of them.
fn files(size: [u32; 2], color: ExtendedColorType, samples: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
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
fn png_with(
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
fn jpeg(size: [u32; 2], orientation: Option<u8>) -> Vec<u8> {
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

#[test]
fn lossless_formats_give_their_pixels_whatever_the_name() {
    let folder = Folder::new();
    let expected = noise_picture(7, 5, 1);
    for (format, bytes) in files([7, 5], ExtendedColorType::Rgb8, &expected.rgb) {
        let path = folder.write("picture.jpg", bytes);
        assert_eq!(Picture::open(&path).unwrap(), expected, "{format}");
        assert_eq!(dimensions(&path).unwrap(), (7, 5), "{format}");
    }
}

#[test]
fn jpeg_is_read_and_close() {
    let folder = Folder::new();
    let picture = Picture::open(&folder.write("picture.png", jpeg([24, 16], None))).unwrap();
    assert_eq!((picture.width, picture.height), (24, 16));
    assert!(!picture.gray && picture.alpha.is_none() && picture.icc_profile.is_none());
    let pixel = &picture.rgb[3 * (24 * 5 + 10)..][..3];
    for (found, expected) in pixel.iter().zip([80, 40, 128]) {
        assert!(found.abs_diff(expected) < 6, "{pixel:?}");
    }
}

#[test]
fn alpha_is_split_off_and_dropped_where_opaque() {
    let folder = Folder::new();
    let samples = noise(4 * 6 * 3, 2);
    for (format, bytes) in files([6, 3], ExtendedColorType::Rgba8, &samples) {
        let picture = Picture::open(&folder.write("a", bytes)).unwrap();
        let pixels: Vec<u8> = (picture.rgb.chunks(3).zip(picture.alpha.unwrap()))
            .flat_map(|(rgb, alpha)| [rgb[0], rgb[1], rgb[2], alpha])
            .collect();
        assert_eq!(pixels, samples, "{format}");
    }
    let opaque: Vec<u8> = samples
        .chunks(4)
        .flat_map(|p| [p[0], p[1], p[2], 255])
        .collect();
    for (format, bytes) in files([6, 3], ExtendedColorType::Rgba8, &opaque) {
        let picture = Picture::open(&folder.write("a", bytes)).unwrap();
        assert_eq!(picture.alpha, None, "{format}");
    }
}

#[test]
fn gray_is_marked() {
    let folder = Folder::new();
    let samples = noise(12, 3);
    let rgb: Vec<u8> = samples.iter().flat_map(|&byte| [byte; 3]).collect();
    for (format, bytes) in files([4, 3], ExtendedColorType::L8, &samples) {
        let picture = Picture::open(&folder.write("g", bytes)).unwrap();
        assert_eq!(picture.rgb, rgb, "{format}");
        // WebP and BMP have no gray of their own.
        assert_eq!(picture.gray, ["PNG", "TIFF"].contains(&format), "{format}");
    }
    let with_alpha = png_with([6, 1], ExtendedColorType::La8, &samples, [None, None]);
    let picture = Picture::open(&folder.write("la", with_alpha)).unwrap();
    assert!(picture.gray);
    assert_eq!(
        picture.rgb[..6],
        [[samples[0]; 3], [samples[2]; 3]].concat()
    );
    assert_eq!(picture.alpha.unwrap()[..2], [samples[1], samples[3]]);
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let folder = Folder::new();
    let samples: [u16; 6] = [0, 128, 129, 25_828, 25_829, 65_535];
    let bytes: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_ne_bytes())
        .collect();
    let file = png_with([2, 1], ExtendedColorType::Rgb16, &bytes, [None, None]);
    let picture = Picture::open(&folder.write("16", file)).unwrap();
    assert_eq!(picture.rgb, [0, 0, 1, 100, 101, 255]);
    let file = png_with([6, 1], ExtendedColorType::L16, &bytes, [None, None]);
    let picture = Picture::open(&folder.write("16", file)).unwrap();
    assert!(picture.gray);
    let gray: Vec<u8> = picture.rgb.iter().step_by(3).copied().collect();
    assert_eq!(gray, [0, 0, 1, 100, 101, 255]);
}

#[test]
fn palettes_and_cmyk_become_rgb() {
    let folder = Folder::new();
    let palette = [10, 20, 30, 200, 100, 50];
    let file = png(3, 1, [8, 3], &palette, &[0, 1, 0, 1]);
    let picture = Picture::open(&folder.write("palette", file)).unwrap();
    assert_eq!(picture.rgb, [200, 100, 50, 10, 20, 30, 200, 100, 50]);
    assert!(!picture.gray);

    let file = tiff(5, 4, 1, &[255, 0, 0, 0, 0, 0, 0, 255]);
    let picture = Picture::open(&folder.write("cmyk", file)).unwrap();
    assert_eq!(picture.rgb, [0, 255, 255, 0, 0, 0]);
}

#[test]
fn the_orientation_is_applied() {
    let folder = Folder::new();
    let (width, height) = (3, 2);
    let picture = noise_picture(width, height, 5);
    let stored = |x: usize, y: usize| &picture.rgb[3 * (y * width + x)..][..3];
    for orientation in 1..=8 {
        let upright = |x: usize, y: usize| match orientation {
            1 => stored(x, y),
            2 => stored(width - 1 - x, y),
            3 => stored(width - 1 - x, height - 1 - y),
            4 => stored(x, height - 1 - y),
            5 => stored(y, x),
            6 => stored(y, height - 1 - x),
            7 => stored(width - 1 - y, height - 1 - x),
            _ => stored(width - 1 - y, x),
        };
        let (w, h) = if orientation < 5 { (3, 2) } else { (2, 3) };
        let expected: Vec<u8> = (0..h)
            .flat_map(|y| (0..w).flat_map(move |x| upright(x, y)))
            .copied()
            .collect();

        let exif = exif(orientation);
        let prefixed = [&b"Exif\0\0"[..], &exif].concat();
        let metadata = [Some(exif), None];
        let rgb8 = ExtendedColorType::Rgb8;
        let mut webp = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut webp);
        encoded(encoder, [3, 2], rgb8, &picture.rgb, [Some(prefixed), None]);
        let png = png_with([3, 2], rgb8, &picture.rgb, metadata);
        for bytes in [png, webp] {
            let path = folder.write("turned", bytes);
            let opened = Picture::open(&path).unwrap();
            assert_eq!((opened.width, opened.height), (w, h), "{orientation}");
            assert_eq!(opened.rgb, expected, "{orientation}");
            assert_eq!(dimensions(&path).unwrap(), (w, h), "{orientation}");
        }
    }
    // As a camera held upright writes it: red grows along the stored rows.
    let path = folder.write("camera.jpg", jpeg([24, 16], Some(6)));
    let opened = Picture::open(&path).unwrap();
    assert_eq!((opened.width, opened.height), (16, 24));
    assert_eq!(dimensions(&path).unwrap(), (16, 24));
    assert!(
        opened.rgb[0] < 20 && opened.rgb[1] > 100,
        "{:?}",
        &opened.rgb[..3]
    );

    let path = folder.write("turned.tif", tiff(2, 3, 6, &[1, 2, 3, 4, 5, 6]));
    let opened = Picture::open(&path).unwrap();
    assert_eq!((opened.width, opened.height), (1, 2));
    assert_eq!(opened.rgb, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_profile_comes_along_if_it_is_for_these_colours() {
    let folder = Folder::new();
    let [l8, rgb8] = [ExtendedColorType::L8, ExtendedColorType::Rgb8];
    for (color, colours, kept) in [
        (rgb8, b"RGB ", true),
        (rgb8, b"CMYK", false),
        (rgb8, b"GRAY", false),
        (l8, b"GRAY", true),
        (l8, b"RGB ", true),
    ] {
        let samples = noise(if color == l8 { 1 } else { 3 }, 0);
        let file = png_with([1, 1], color, &samples, [None, Some(profile(colours))]);
        let picture = Picture::open(&folder.write("icc", file)).unwrap();
        let expected = kept.then(|| profile(colours));
        assert_eq!(picture.icc_profile, expected, "{color:?} {colours:?}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    let path = folder.path("none.png");
    let expected = "there is no such file; check the path of the picture";
    assert_eq!(message(Picture::open(&path), &path), expected);
    assert_eq!(message(dimensions(&path), &path), expected);
    let below = folder.write("file", "x").join("none.png");
    assert_eq!(message(Picture::open(&below), &below), expected);
    let path = folder.path("");
    assert_eq!(
        message(Picture::open(&path), &path),
        "is a folder; name a picture file"
    );
    let path = folder.write("empty.png", "");
    let expected = "is empty (0 bytes); fetch or save the picture again";
    assert_eq!(message(Picture::open(&path), &path), expected);
    if cfg!(unix) {
        let path = std::path::Path::new("/dev/null");
        let expected = "is not a regular file; name a picture file on a disk";
        assert_eq!(message(Picture::open(path), path), expected);
    }
}

#[test]
fn what_is_no_picture_is_refused() {
    let folder = Folder::new();
    let refused = |name, bytes: &[u8]| {
        let path = folder.write(name, bytes);
        let text = message(Picture::open(&path), &path);
        assert_eq!(message(dimensions(&path), &path), text);
        text
    };
    let expected =
        "is not a picture, whatever its name says; give a PNG, JPEG, WebP, TIFF, BMP file";
    assert_eq!(refused("text.png", b"Once upon a time"), expected);
    assert_eq!(refused("tiny.png", b"x"), expected);
    assert_eq!(refused("half a signature.png", b"\x89PNG"), expected);
    for (bytes, format) in [
        (&b"GIF89a\x01\0\x01\0\0\0\0"[..], "a GIF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIF picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"P6 1 1 255 abc", "a portable anymap (PNM)"),
        (b"8BPS\0\x01", "a Photoshop document"),
    ] {
        let expected = format!(
            "is {format}, which cannot be read; convert it to one of PNG, JPEG, WebP, TIFF, BMP"
        );
        assert_eq!(refused("foreign.png", bytes), expected);
    }
}

#[test]
fn samples_that_cannot_be_eight_bits_are_refused() {
    let folder = Folder::new();
    let samples: Vec<u8> = [0.5f32; 3]
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect();
    let mut bytes = Cursor::new(Vec::new());
    let encoder = TiffEncoder::new(&mut bytes);
    encoded(
        encoder,
        [1, 1],
        ExtendedColorType::Rgb32F,
        &samples,
        [None, None],
    );
    let path = folder.write("float.tif", bytes.into_inner());
    assert_eq!(
        message(Picture::open(&path), &path),
        "uses what cannot be read (samples in floating point); save it as an ordinary 8-bit or 16-bit PNG"
    );
    let path = folder.write("palette.tif", tiff(3, 1, 1, &[0, 1]));
    let text = message(Picture::open(&path), &path);
    assert!(text.starts_with("uses what cannot be read ("), "{text}");
}

#[test]
fn cut_files_are_refused() {
    let folder = Folder::new();
    let picture = noise_picture(40, 30, 8);
    let mut all = files([40, 30], ExtendedColorType::Rgb8, &picture.rgb);
    all.push(("JPEG", jpeg([40, 30], Some(1))));
    for (format, bytes) in all {
        let path = folder.write("whole", &bytes);
        assert!(Picture::open(&path).is_ok(), "{format}");
        for length in [
            17,
            30,
            60,
            bytes.len() / 3,
            bytes.len() / 2,
            bytes.len() - 40,
        ] {
            let path = folder.write("cut", &bytes[..length]);
            let text = message(Picture::open(&path), &path);
            assert!(
                text.starts_with("is truncated or damaged ("),
                "{format} cut to {length} of {} bytes: {text}",
                bytes.len()
            );
            assert!(
                text.ends_with("); fetch or save the picture again"),
                "{text}"
            );
        }
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = Folder::new();
    let picture = noise_picture(40, 30, 8);
    let mut bytes = png_with(
        [40, 30],
        ExtendedColorType::Rgb8,
        &picture.rgb,
        [None, None],
    );
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    let path = folder.write("damaged.png", bytes);
    let text = message(Picture::open(&path), &path);
    assert!(text.starts_with("is truncated or damaged ("), "{text}");
}

#[test]
fn what_follows_the_end_of_a_jpeg_is_left_alone() {
    let folder = Folder::new();
    let mut bytes = jpeg([24, 16], None);
    bytes.extend(b"\0\0\xff\xda movie");
    assert!(Picture::open(&folder.write("motion.jpg", bytes)).is_ok());
}

#[test]
fn absurd_sizes_are_refused_from_the_header() {
    let folder = Folder::new();
    for (width, height) in [(100_000, 100_000), (268_435_457, 1), (16_385, 16_384)] {
        let path = folder.write("huge.png", png(width, height, [8, 2], &[], &[0]));
        for error in [
            Picture::open(&path).unwrap_err(),
            dimensions(&path).unwrap_err(),
        ] {
            let text = error.to_string();
            let size = format!("states a size of {width}x{height} pixels, but at most 268435456");
            assert!(text.contains(&size), "{text}");
            assert!(matches!(error.problem, ImageProblem::TooLarge { .. }));
        }
    }
    // One row of this is more than a decoder may take.
    let path = folder.write("wide.png", png(0x7fff_ffff, 1, [8, 2], &[], &[0]));
    let error = Picture::open(&path).unwrap_err();
    assert!(matches!(error.problem, ImageProblem::Memory), "{error}");
    let path = folder.write("zero.png", png(0, 5, [8, 2], &[], &[0]));
    assert!(Picture::open(&path).is_err());
}
