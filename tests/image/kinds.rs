//! Kinds of files that decoders have got wrong, in `tests/data/pictures`.

use super::files::{Folder, message};
use srdiff::image::{DecodeOptions, Decoded, Picture, decode, dimensions};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/pictures").join(name)
}

fn read(name: &str) -> Decoded {
    let path = file(name);
    let decoded = decode(&path, &DecodeOptions::default());
    let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
    let size = (decoded.picture.width, decoded.picture.height);
    assert_eq!(dimensions(&path).unwrap(), size, "{name}");
    decoded
}

/// Means of red, green and blue, and of opacity.
fn means(picture: &Picture) -> [f64; 4] {
    let mean = |values: &[u8], channel: usize, step: usize| {
        let values = values.iter().skip(channel).step_by(step);
        let count = values.len() as f64;
        values.map(|&v| f64::from(v)).sum::<f64>() / count
    };
    let rgb = picture.rgb8();
    let alpha = picture
        .alpha
        .as_ref()
        .map(|alpha| alpha.to_u8().into_owned());
    [
        mean(&rgb, 0, 3),
        mean(&rgb, 1, 3),
        mean(&rgb, 2, 3),
        alpha.map_or(255.0, |alpha| mean(&alpha, 0, 1)),
    ]
}

/// What Pillow makes of them, with libjpeg-turbo, libtiff and LittleCMS.
#[test]
fn they_look_as_in_other_programs() {
    let drawing = [85.2, 76.0, 61.4, 255.0];
    for (name, size, expected) in [
        ("gray_icc.png", [56, 40], [77.1, 77.1, 77.1, 255.0]),
        ("png_gama_linear.png", [56, 40], drawing),
        (
            "jpeg_arithmetic.jpg",
            [227, 149],
            [146.4, 90.5, 81.5, 255.0],
        ),
        ("jpeg_cmyk_icc.jpg", [56, 40], [84.1, 73.4, 58.4, 255.0]),
        ("jpeg_exif_dpi.jpg", [40, 56], drawing),
        ("jpeg_luma_subsampled.jpg", [56, 40], drawing),
        ("jpeg_no_eoi.jpg", [56, 40], drawing),
        (
            "jpeg_non_interleaved_420.jpg",
            [64, 64],
            [127.7, 0.5, 127.7, 255.0],
        ),
        ("tiff_bigtiff.tif", [56, 40], drawing),
        (
            "tiff_fillorder2_1bit.tif",
            [56, 40],
            [76.3, 76.3, 76.3, 255.0],
        ),
        ("tiff_icc_small.tif", [56, 40], drawing),
        ("tiff_multipage.tif", [56, 40], drawing),
        ("tiff_palette.tif", [56, 40], [85.1, 75.8, 61.2, 255.0]),
        ("tiff_planar_tiled.tif", [56, 40], drawing),
        ("tiff_tiled_lzw_edge.tif", [56, 40], drawing),
        ("tiff_u32.tif", [56, 40], drawing),
        ("webp_exif.webp", [31, 42], [141.7, 122.3, 129.2, 255.0]),
    ] {
        let picture = read(name).picture;
        assert_eq!([picture.width, picture.height], size, "{name}");
        let found = means(&picture);
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1.0,
                "{name}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn opacity_is_read_and_undone_where_it_was_multiplied() {
    for name in ["tiff_premultiplied.tif", "bmp_v4_alpha.bmp"] {
        let picture = read(name).picture;
        let [red, _, _, alpha] = means(&picture);
        assert!(picture.alpha.is_some(), "{name}");
        assert!((100.0..112.0).contains(&alpha), "{name}: {alpha}");
        // Not darkened.
        assert!(red > 60.0, "{name}: {red}");
    }
}

#[test]
fn notes_say_what_was_left_out_or_changed() {
    for (name, expected) in [
        ("jpeg_no_eoi.jpg", "end marker is missing"),
        (
            "jpeg_cmyk_icc.jpg",
            "CMYK, converted to sRGB through its colour profile",
        ),
        ("png_gama_linear.png", "gAMA 1.00000"),
        ("tiff_bigtiff.tif", "was left out: ImageDescription"),
    ] {
        let notes = read(name).notes;
        assert!(
            notes.len() == 1 && notes[0].contains(expected),
            "{name}: {notes:?}"
        );
    }
    let notes = read("tiff_multipage.tif").notes;
    let told = ["ImageDescription", "page 1 of 3; the others are left out"];
    assert!(notes.len() == 2, "{notes:?}");
    assert!(
        notes
            .iter()
            .zip(told)
            .all(|(note, told)| note.ends_with(told))
    );
    for name in ["jpeg_luma_subsampled.jpg", "gray_icc.png", "webp_exif.webp"] {
        assert_eq!(read(name).notes, [""; 0], "{name}");
    }
}

#[test]
fn metadata_are_kept() {
    assert!(
        read("tiff_icc_small.tif")
            .picture
            .metadata
            .icc_profile
            .is_some()
    );
    assert!(read("gray_icc.png").picture.metadata.icc_profile.is_some());
    assert!(
        read("png_gama_linear.png")
            .picture
            .metadata
            .icc_profile
            .is_some()
    );
    let photo = read("jpeg_exif_dpi.jpg").picture.metadata;
    assert!(photo.exif.is_some());
    assert_eq!(photo.dpi, Some([300.0, 300.0]));
}

#[test]
fn what_cannot_be_read_is_named_and_not_called_damaged() {
    let path = file("jpeg_12bit.jpg");
    let expected = "uses JPEG coding of 12 bits a sample, which cannot be read; save it as an ordinary 8-bit or 16-bit PNG";
    assert_eq!(message(Picture::open(&path), &path), expected);
}

#[test]
fn faults_are_refused_or_tolerated_with_a_note() {
    for name in ["png_adler_wrong.png", "webp_exif_cut.webp"] {
        let path = file(name);
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with("is truncated or damaged ("),
            "{name}: {text}"
        );
        let options = DecodeOptions {
            tolerant: true,
            ..DecodeOptions::default()
        };
        let notes = decode(&path, &options).unwrap().notes;
        let reason = match name.ends_with("webp") {
            true => "it ends before the end of the image",
            false => "the checksum of its pixels is wrong",
        };
        assert_eq!(notes[0], format!("read as far as possible: {reason}"));
    }
}

/// A JPEG file that was cut off and given an end marker, as programs that
/// repair files do it: nothing but the pixels that are missing tells.
#[test]
fn a_cut_jpeg_with_an_end_marker_is_noticed() {
    let folder = Folder::new();
    for name in ["jpeg_exif_dpi.jpg", "jpeg_luma_subsampled.jpg"] {
        let bytes = std::fs::read(file(name)).unwrap();
        let cut = bytes.len() - bytes.len() / 4;
        let path = folder.write(name, [&bytes[..cut], &[0xff, 0xd9]].concat());
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with("is truncated or damaged ("),
            "{name}: {text}"
        );
        let options = DecodeOptions {
            tolerant: true,
            ..DecodeOptions::default()
        };
        let notes = decode(&path, &options).unwrap().notes;
        assert!(
            notes[0].starts_with("read as far as possible: "),
            "{notes:?}"
        );
    }
}

/// Whatever bytes are wrong, there is an answer and no panic.
#[test]
fn damage_anywhere_is_survived() {
    let folder = Folder::new();
    for name in [
        "tiff_planar_tiled.tif",
        "tiff_tiled_lzw_edge.tif",
        "tiff_palette.tif",
        "jpeg_luma_subsampled.jpg",
        "jpeg_non_interleaved_420.jpg",
        "bmp_v4_alpha.bmp",
        "png_gama_linear.png",
        "webp_exif.webp",
    ] {
        let bytes = std::fs::read(file(name)).unwrap();
        for tolerant in [false, true] {
            let options = DecodeOptions {
                max_pixels: 1 << 16,
                tolerant,
                frame: None,
                ..DecodeOptions::default()
            };
            for round in 0..150usize {
                let mut wrong = bytes.clone();
                let at = if round < 100 {
                    round * 3 % bytes.len()
                } else {
                    round * 7919 % bytes.len()
                };
                wrong[at] ^= [0xff, 0x01, 0x80][round % 3];
                let path = folder.write("wrong", &wrong);
                // What can be read is not refused from its header.
                let (decoded, size) = (decode(&path, &options), dimensions(&path));
                if let Ok(Decoded { picture, .. }) = decoded {
                    let expected = (picture.width, picture.height);
                    assert_eq!(size.unwrap(), expected, "{name}, byte {at}");
                }
            }
        }
    }
}
