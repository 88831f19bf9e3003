//! Files to pixels.

use super::files::{
    Folder, SHORT, encoded, exif, files, jpeg, page, png, png_with, profile, tiff, tiff_pages,
    with_chunk,
};
use super::{noise, noise_picture};
use ::image::ExtendedColorType;
use ::image::codecs::webp::WebPEncoder;
use srdiff::image::{
    DecodeOptions, EncodeOptions, OutputFormat, Picture, decode, dimensions, has_extension,
};

#[test]
fn lossless_formats_give_their_pixels_whatever_the_name() {
    let folder = Folder::new();
    let expected = noise_picture(7, 5, 1);
    for (format, bytes) in files([7, 5], ExtendedColorType::Rgb8, &expected.rgb8()) {
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
    assert!(!picture.gray && picture.alpha.is_none() && picture.metadata.icc_profile.is_none());
    let pixel = &picture.rgb8()[3 * (24 * 5 + 10)..][..3];
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
        let pixels: Vec<u8> = (picture.rgb8().chunks(3))
            .zip(&*picture.alpha.as_ref().unwrap().to_u8())
            .flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha])
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
        assert_eq!(picture.rgb8()[..], rgb, "{format}");
        assert!(picture.is_neutral(), "{format}");
        // WebP has no gray of its own, and BMP palettes.
        assert_eq!(picture.gray, format != "WebP", "{format}");
    }
    let with_alpha = png_with([6, 1], ExtendedColorType::La8, &samples, [None, None]);
    let picture = Picture::open(&folder.write("la", with_alpha)).unwrap();
    assert!(picture.gray);
    assert_eq!(
        picture.rgb8()[..6],
        [[samples[0]; 3], [samples[2]; 3]].concat()
    );
    let alpha = picture.alpha.unwrap();
    assert_eq!(alpha.to_u8()[..2], [samples[1], samples[3]]);
}

#[test]
fn sixteen_bits_stay_sixteen() {
    let folder = Folder::new();
    let samples: [u16; 6] = [0, 128, 129, 25_828, 25_829, 65_535];
    let bytes: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_ne_bytes())
        .collect();
    let file = png_with([2, 1], ExtendedColorType::Rgb16, &bytes, [None, None]);
    let picture = Picture::open(&folder.write("16", file)).unwrap();
    assert_eq!(picture.rgb, samples.to_vec().into());
    let file = png_with([6, 1], ExtendedColorType::L16, &bytes, [None, None]);
    let picture = Picture::open(&folder.write("16", file)).unwrap();
    assert!(picture.gray);
    let gray: Vec<u16> = picture.rgb.to_u16().iter().step_by(3).copied().collect();
    assert_eq!(gray, samples);
    assert_eq!(picture.rgb8()[..9], [0, 0, 0, 0, 0, 0, 1, 1, 1]);
}

#[test]
fn palettes_and_cmyk_become_rgb() {
    let folder = Folder::new();
    let palette = [10, 20, 30, 200, 100, 50];
    let file = png(3, 1, [8, 3], &palette, &[0, 1, 0, 1]);
    let picture = Picture::open(&folder.write("palette", file)).unwrap();
    assert_eq!(picture.rgb8()[..], [200, 100, 50, 10, 20, 30, 200, 100, 50]);
    assert!(!picture.gray);

    let file = tiff(5, 4, 1, &[255, 0, 0, 0, 0, 0, 0, 255]);
    let picture = Picture::open(&folder.write("cmyk", file)).unwrap();
    assert_eq!(picture.rgb8()[..], [0, 255, 255, 0, 0, 0]);
}

#[test]
fn palettes_of_grays_stay_gray() {
    let folder = Folder::new();
    let samples = [1, 200, 1];
    for level in [200, 201] {
        let palette = [1, 1, 1, 200, 200, level];
        let file = png(3, 1, [8, 3], &palette, &[0, 0, 1, 0]);
        let mut tags = page([3, 1], [8, 1], 1, 3);
        let level = |index: u32| {
            u32::from(palette[(index % 256).min(1) as usize * 3 + (index / 256) as usize]) * 257
        };
        tags.push((320, SHORT, (0..768).map(level).collect()));
        let tiff = tiff_pages(&[(&tags, &[0, 1, 0])]);
        let mut gif = Vec::new();
        let mut encoder = ::image::codecs::gif::GifEncoder::new(&mut gif);
        let pixels: Vec<u8> = [0, 1, 0]
            .iter()
            .flat_map(|&i| palette[3 * i..][..3].to_vec())
            .collect();
        encoder
            .encode(&pixels, 3, 1, ExtendedColorType::Rgb8)
            .unwrap();
        drop(encoder);
        for (format, file) in [("PNG", file), ("TIFF", tiff), ("GIF", gif)] {
            let picture = Picture::open(&folder.write("palette", file)).unwrap();
            assert_eq!(picture.gray, palette[5] == 200, "{format}");
            assert_eq!(picture.rgb8()[..], pixels, "{format}");
            let first: Vec<u8> = picture.rgb8().iter().step_by(3).copied().collect();
            assert_eq!(first, samples, "{format}");
        }
    }
}

#[test]
fn the_orientation_is_applied() {
    let folder = Folder::new();
    let (width, height) = (3, 2);
    let picture = noise_picture(width, height, 5);
    let bytes = picture.rgb8();
    let stored = |x: usize, y: usize| &bytes[3 * (y * width + x)..][..3];
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
        encoded(encoder, [3, 2], rgb8, &bytes, [Some(prefixed), None]);
        let png = png_with([3, 2], rgb8, &bytes, metadata);
        for bytes in [png, webp] {
            let path = folder.write("turned", bytes);
            let opened = Picture::open(&path).unwrap();
            assert_eq!((opened.width, opened.height), (w, h), "{orientation}");
            assert_eq!(opened.rgb8()[..], expected, "{orientation}");
            assert_eq!(dimensions(&path).unwrap(), (w, h), "{orientation}");
        }
    }
    // As a camera held upright writes it: red grows along the stored rows.
    let path = folder.write("camera.jpg", jpeg([24, 16], Some(6)));
    let opened = Picture::open(&path).unwrap();
    assert_eq!((opened.width, opened.height), (16, 24));
    assert_eq!(dimensions(&path).unwrap(), (16, 24));
    assert!(
        opened.rgb8()[0] < 20 && opened.rgb8()[1] > 100,
        "{:?}",
        &opened.rgb8()[..3]
    );

    let path = folder.write("turned.tif", tiff(2, 3, 6, &[1, 2, 3, 4, 5, 6]));
    let opened = Picture::open(&path).unwrap();
    assert_eq!((opened.width, opened.height), (1, 2));
    assert_eq!(opened.rgb8()[..], [1, 2, 3, 4, 5, 6]);
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
        assert_eq!(
            picture.metadata.icc_profile, expected,
            "{color:?} {colours:?}"
        );
    }
}

#[test]
fn a_profile_that_no_jpeg_file_can_hold_is_left_out() {
    let folder = Folder::new();
    const MAX: usize = 255 * 65_519;
    // The last is more than the decoder itself may take.
    for (size, kept) in [(MAX, true), (MAX + 1, false), (80 << 20, false)] {
        let mut large = profile(b"RGB ");
        large.resize(size, 0);
        let file = png_with(
            [1, 1],
            ExtendedColorType::Rgb8,
            &[1, 2, 3],
            [None, Some(large)],
        );
        let picture = Picture::open(&folder.write("icc.png", file)).unwrap();
        assert_eq!(picture.rgb8()[..], [1, 2, 3]);
        assert_eq!(
            picture.metadata.icc_profile.as_ref().map(Vec::len),
            kept.then_some(size)
        );
        if kept {
            let (path, options) = (folder.path("icc.jpg"), EncodeOptions::default());
            picture
                .save(&path, OutputFormat::Jpeg, &options, false)
                .unwrap();
        }
    }
}

#[test]
fn levels_of_video_are_spread() {
    let folder = Folder::new();
    let narrow = [16, 235, 0, 255, 16 + 73, 126];
    let full = [0, 255, 0, 255, 85, 128];
    for (is_full, expected) in [(0, full), (1, narrow)] {
        let file = png(2, 1, [8, 2], &[], &[&[0][..], &narrow].concat());
        let file = with_chunk(&file, b"cICP", &[1, 13, 0, is_full]);
        let decoded = decode(&folder.write("video.png", file), &DecodeOptions::default());
        let decoded = decoded.unwrap();
        assert_eq!(decoded.picture.rgb8()[..], expected);
        assert_eq!(decoded.picture.metadata.icc_profile, None);
        assert_eq!(decoded.notes.len(), usize::from(is_full == 0));
    }
    // Of 16 bits, black is 16 * 256.
    let rows = [0, 0x10, 0, 0xeb, 0, 0x7d, 0x80];
    let file = with_chunk(&png(1, 1, [16, 2], &[], &rows), b"cICP", &[1, 13, 0, 0]);
    let picture = Picture::open(&folder.write("wide.png", file)).unwrap();
    assert_eq!(picture.rgb.to_u16()[..], [0, 65_535, 32_768]);
}

/// The index of a file of two pictures, of which the second is of this kind.
fn with_index(kind: u32) -> Vec<u8> {
    let long = u32::to_le_bytes;
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [
            &tag.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &long(count),
            &long(value),
        ]
        .concat()
    };
    let mut index = b"MPF\0II*\0\x08\0\0\0\x02\0".to_vec();
    index.extend(entry(0xb001, 4, 1, 2));
    index.extend(entry(0xb002, 7, 32, 38));
    index.extend([0; 4]);
    for kind in [0x03_0000, kind] {
        index.extend([&long(kind)[..], &[0; 12]].concat());
    }
    let length = (index.len() as u16 + 2).to_be_bytes();
    let whole = jpeg([8, 8], None);
    [&whole[..2], &[0xff, 0xe2], &length, &index, &whole[2..]].concat()
}

#[test]
fn pictures_beside_the_first_are_told() {
    let folder = Folder::new();
    let notes = |name, bytes: &[u8]| {
        let path = folder.write(name, bytes);
        decode(&path, &DecodeOptions::default()).unwrap().notes
    };
    let told = ["another picture in the file (MPF) is left out"];
    assert_eq!(notes("views.mpo", &with_index(0x02_0002)), told);
    // Its second picture is a thumbnail.
    assert_eq!(notes("camera.jpg", &with_index(0x01_0001)), [""; 0]);

    let told = ["a stream of several images; only the first is used"];
    let one = b"P5\n2 1\n255\nab";
    assert_eq!(notes("one.pgm", one), [""; 0]);
    assert_eq!(notes("two.pgm", &[&one[..], one].concat()), told);
    assert_eq!(notes("more.pgm", &[&one[..], b"P5x"].concat()), [""; 0]);
}

#[test]
fn names_of_all_that_is_read_are_found_in_folders() {
    for name in ["a.pam", "a.APNG", "a.mpo", "a.jif", "a.jps", "a.png"] {
        assert!(has_extension(name.as_ref()), "{name}");
    }
    assert!(!has_extension("a.txt".as_ref()));
}
