//! AVIF files, made by `avif.py`.

use super::files::{Folder, message};
use super::noise;
use srdiff::image::{
    DecodeOptions, Decoded, ImageProblem, Picture, Samples, decode, dimensions, frames,
};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/pictures").join(name)
}

fn read(name: &str) -> Decoded {
    decode(&file(name), &DecodeOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The bytes of a file with others after some name in it.
fn patched(name: &str, after: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(file(name)).unwrap();
    let found = bytes.windows(after.len()).position(|part| part == after);
    let start = found.unwrap() + after.len() + at;
    bytes[start..start + value.len()].copy_from_slice(value);
    bytes
}

/// The largest difference of two pictures, in levels of 8 bits.
fn largest_difference(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let samples = |picture: &Picture| {
        let mut samples = picture.rgb.to_u16().into_owned();
        let alpha = picture.alpha.as_ref().map(Samples::to_u16);
        samples.extend(alpha.iter().flat_map(|alpha| alpha.iter()));
        samples
    };
    let (a, b) = (samples(a), samples(b));
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b)));
    differences.fold(0.0, f64::max) / 257.0
}

#[test]
fn pixels_are_those_of_libavif() {
    for (name, bits, gray, limit) in [
        ("avif_420_limited", 8, false, 0.0),
        // libyuv rounds coarsely.
        ("avif_420_libyuv", 8, false, 2.0),
        ("avif_422_10", 16, false, 0.3),
        ("avif_gray_12", 16, true, 0.0),
        ("avif_grid", 8, false, 1.0),
    ] {
        let Decoded { picture, notes } = read(&format!("{name}.avif"));
        let expected = Picture::open(&file(&format!("{name}.png"))).unwrap();
        assert_eq!((picture.rgb.bits(), picture.gray), (bits, gray), "{name}");
        assert_eq!(picture.alpha.is_some(), expected.alpha.is_some(), "{name}");
        let difference = largest_difference(&picture, &expected);
        assert!(difference <= limit, "{name}: {difference}");
        assert_eq!(notes, [""; 0]);
    }
}

#[test]
fn lossless_files_give_their_pixels_and_alpha() {
    let picture = read("avif_lossless.avif").picture;
    assert_eq!(dimensions(&file("avif_lossless.avif")).unwrap(), (7, 5));
    let alpha = picture.alpha.as_ref().unwrap().to_u8();
    let pixels: Vec<u8> = (picture.rgb8().chunks(3).zip(&*alpha))
        .flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha])
        .collect();
    assert_eq!(pixels, noise(4 * 35, 1));
}

#[test]
fn metadata_stays_and_premultiplied_colours_are_as_they_were() {
    let Decoded { picture, notes } = read("avif_metadata.avif");
    assert_eq!(notes, [""; 0]);
    // Turned by irot and imir; EXIF's orientation does not count.
    assert_eq!((picture.width, picture.height), (5, 7));
    assert_eq!(dimensions(&file("avif_metadata.avif")).unwrap(), (5, 7));
    let alpha = picture.alpha.unwrap().to_u8().into_owned();
    let expected = [255, 128, 64, 0, 255];
    assert_eq!(alpha, expected.repeat(7));
    for (pixel, &alpha) in picture.rgb.to_u8().chunks(3).zip(&alpha) {
        let near = pixel.iter().all(|level| level.abs_diff(200) <= 2);
        assert!(alpha == 0 || near, "{pixel:?} at {alpha}");
    }
    let metadata = picture.metadata;
    assert!(
        metadata
            .icc_profile
            .is_some_and(|icc| &icc[16..20] == b"RGB ")
    );
    assert_eq!(metadata.xmp.unwrap(), b"<x>srdiff</x>");
    let exif = metadata.exif.unwrap();
    assert!(exif.windows(6).any(|part| part == b"srdiff"));
    assert_eq!(metadata.dpi, Some([300.0, 300.0]));
}

/// Pixels of a picture after a quarter turn anticlockwise.
fn turned(rows: &[Vec<[u8; 3]>]) -> Vec<Vec<[u8; 3]>> {
    let width = rows[0].len();
    let column = |x: usize| rows.iter().map(|row| row[x]).collect();
    (0..width).rev().map(column).collect()
}

#[test]
fn turns_come_before_mirrors() {
    let folder = Folder::new();
    let shown = |turns: u8, axis: Option<u8>| {
        let mut bytes = patched("avif_turns.avif", b"irot", 0, &[turns]);
        let mirror = bytes.windows(4).position(|part| part == b"imir").unwrap();
        match axis {
            Some(axis) => bytes[mirror + 4] = axis,
            // A property that says nothing.
            None => bytes[mirror..mirror + 4].copy_from_slice(b"pasp"),
        }
        let path = folder.write("turned.avif", bytes);
        let picture = Picture::open(&path).unwrap();
        assert_eq!(dimensions(&path).unwrap(), (picture.width, picture.height));
        let rgb = picture.rgb8();
        let pixels: Vec<[u8; 3]> = rgb.chunks(3).map(|p| [p[0], p[1], p[2]]).collect();
        pixels
            .chunks(picture.width)
            .map(<[_]>::to_vec)
            .collect::<Vec<_>>()
    };
    let mut expected = shown(0, None);
    assert_ne!(expected, turned(&turned(&expected)));
    for turns in 0..4 {
        assert_eq!(shown(turns, None), expected, "{turns}");
        let upside_down: Vec<_> = expected.iter().rev().cloned().collect();
        assert_eq!(shown(turns, Some(0)), upside_down, "{turns}");
        let row_mirrored = |row: &Vec<_>| row.iter().rev().copied().collect();
        let mirrored: Vec<Vec<_>> = expected.iter().map(row_mirrored).collect();
        assert_eq!(shown(turns, Some(1)), mirrored, "{turns}");
        expected = turned(&expected);
    }
}

#[test]
fn a_clean_aperture_is_all_that_is_shown() {
    let whole = read("avif_420_limited.avif").picture;
    let part = read("avif_aperture.avif").picture;
    let path = file("avif_aperture.avif");
    assert_eq!((part.width, part.height), (10, 6));
    assert_eq!(dimensions(&path).unwrap(), (10, 6));
    let rows = whole.rgb8();
    // Its centre is 1.5 pixels to the left and 0.5 below.
    let rows = rows.chunks(3 * 17).skip(4).take(6);
    let expected: Vec<u8> = rows.flat_map(|row| row[3 * 2..3 * 12].to_vec()).collect();
    assert_eq!(part.rgb8()[..], expected);
}

#[test]
fn the_named_colours_count() {
    let folder = Folder::new();
    let colours = |points: [u8; 4]| {
        let bytes = patched(
            "avif_420_limited.avif",
            b"nclx",
            0,
            &[0, points[0], 0, points[1]],
        );
        let path = folder.write("colours.avif", bytes);
        decode(&path, &DecodeOptions::default()).map_err(|error| error.problem.to_string())
    };
    let p3 = colours([12, 13, 0, 0]).unwrap();
    assert_eq!(
        p3.notes,
        ["its colour space (nclx 12/13) became a colour profile"]
    );
    assert!(p3.picture.metadata.icc_profile.is_some());
    // Not stated is sRGB.
    for points in [[1, 13, 0, 0], [2, 2, 0, 0]] {
        let srgb = colours(points).unwrap();
        assert_eq!(
            (srgb.notes.len(), srgb.picture.metadata.icc_profile),
            (0, None)
        );
    }
    for (transfer, name) in [(16, "PQ"), (18, "HLG")] {
        let expected = format!(
            "uses colours of high dynamic range ({name}), which cannot be read; save it as an ordinary 8-bit or 16-bit PNG"
        );
        assert_eq!(colours([9, transfer, 0, 0]).unwrap_err(), expected);
    }
    let bytes = patched("avif_420_limited.avif", b"nclx", 4, &[0, 10]);
    let path = folder.write("matrix.avif", bytes);
    let text = message(Picture::open(&path), &path);
    assert!(
        text.starts_with("uses colours by the matrix coefficients 10, "),
        "{text}"
    );
}

#[test]
fn an_animation_gives_its_first_frame() {
    let Decoded { picture, notes } = read("avif_animation.avif");
    assert!(picture.rgb8().iter().all(|level| level.abs_diff(10) < 2));
    assert_eq!(notes, ["an animation of 3 frames; only the first is used"]);
}

#[test]
fn every_frame_of_an_animation_can_be_read() {
    for (name, opacities) in [
        ("avif_animation.avif", [255; 3]),
        ("avif_animation_alpha.avif", [255, 100, 40]),
    ] {
        let path = file(name);
        let found = frames(&path, &DecodeOptions::default()).unwrap();
        assert_eq!(found.notes, [""; 0]);
        let found: Vec<_> = (found.list.iter())
            .map(|frame| {
                (
                    frame.width,
                    frame.height,
                    frame.duration.unwrap().as_millis(),
                )
            })
            .collect();
        assert_eq!(found, [100, 200, 300].map(|ms| (7, 5, ms)), "{name}");
        for (number, (level, opacity)) in [10u8, 120, 230].into_iter().zip(opacities).enumerate() {
            let Decoded { picture, notes } = decode(&path, &of_frame(number)).unwrap();
            assert_eq!(notes, [""; 0]);
            assert_eq!((picture.width, picture.height), (7, 5));
            let is_near = |&found: &u8| found.abs_diff(level) < 2;
            assert!(picture.rgb8().iter().all(is_near), "{name}, {number}");
            let alpha = picture
                .alpha
                .map_or(vec![255; 35], |alpha| alpha.to_u8().to_vec());
            assert_eq!(alpha, [opacity; 35], "{name}, {number}");
        }
        let text = message(decode(&path, &of_frame(3)), &path);
        let expected = "has 3 frames or pages, and no number 4; choose one that it has";
        assert_eq!(text, expected);
    }
}

fn of_frame(number: usize) -> DecodeOptions {
    DecodeOptions {
        frame: Some(number),
        ..DecodeOptions::default()
    }
}

/// The still image counts where no frame is asked for.
#[test]
fn wrong_tables_of_an_animation_are_refused_and_its_still_image_is_read() {
    let folder = Folder::new();
    let still = read("avif_animation.avif").picture;
    let huge = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
    for (name, at, value) in [
        // More frames than there are sizes, and of one byte each any number.
        (b"stsz", 8, &[0, 0, 0, 9][..]),
        (b"stsz", 4, &huge),
        // More chunks, and chunks that are not there.
        (b"stco", 4, &[0, 0, 0, 9]),
        (b"stsc", 8, &[0, 0, 0, 9]),
        (b"stss", 8, &[0, 0, 0, 0]),
    ] {
        let kind = String::from_utf8_lossy(name);
        let path = folder.write(
            "wrong.avif",
            patched("avif_animation.avif", name, at, value),
        );
        assert_eq!(Picture::open(&path).unwrap().rgb, still.rgb, "{kind}");
        let text = message(decode(&path, &of_frame(1)), &path);
        let expected = "is truncated or damaged (the header of its animation contradicts itself)";
        assert!(text.starts_with(expected), "{kind}: {text}");
        let text = message(frames(&path, &DecodeOptions::default()), &path);
        assert!(text.starts_with(expected), "{kind}: {text}");
    }
    // No frame begins anew, and frames beyond the file.
    for (name, at, value) in [(b"stss", 8, &[0, 0, 0, 3][..]), (b"stco", 8, &[9, 0, 0, 0])] {
        let path = folder.write(
            "wrong.avif",
            patched("avif_animation.avif", name, at, value),
        );
        let text = message(decode(&path, &of_frame(1)), &path);
        assert!(text.starts_with("is truncated or damaged ("), "{text}");
    }
    let mut other = std::fs::read(file("avif_animation.avif")).unwrap();
    let at = other.windows(4).rposition(|part| part == b"av01").unwrap();
    // Its width.
    other[at + 4 + 25] = 9;
    let path = folder.write("other.avif", other);
    let text = message(decode(&path, &of_frame(1)), &path);
    let expected = "uses an animation of another size than its still image, ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn properties_that_cannot_be_left_out_are_refused_by_name() {
    let folder = Folder::new();
    let mut bytes = std::fs::read(file("avif_aperture.avif")).unwrap();
    let at = bytes.windows(4).position(|part| part == b"pixi").unwrap();
    bytes[at..at + 4].copy_from_slice(b"zzzz");
    let path = folder.write("foreign.avif", bytes);
    let text = message(Picture::open(&path), &path);
    assert!(text.starts_with("uses the AVIF property zzzz, "), "{text}");
}

/// The decoder would end the program on these, which no picture needs.
#[test]
fn wrong_metadata_beside_the_frame_is_passed_over() {
    let picture = read("avif_bad_metadata.avif").picture;
    let expected = read("avif_420_limited.avif").picture;
    assert_eq!(picture.rgb, expected.rgb);
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let folder = Folder::new();
    let bytes = std::fs::read(file("avif_422_10.avif")).unwrap();
    for length in [20, 40, 300, bytes.len() / 2, bytes.len() - 20] {
        let path = folder.write("cut.avif", &bytes[..length]);
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with("is truncated or damaged ("),
            "{length}: {text}"
        );
    }
    let path = file("avif_grid.avif");
    let options = DecodeOptions {
        max_pixels: 102 * 76 - 1,
        ..DecodeOptions::default()
    };
    let text = message(decode(&path, &options), &path);
    assert!(text.starts_with("states a size of 102x76 pixels"), "{text}");
    // A frame that is larger or smaller than the header says.
    for width in [16, 18] {
        let bytes = patched("avif_420_limited.avif", b"ispe", 4, &[0, 0, 0, width]);
        let path = folder.write("other.avif", bytes);
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with("is truncated or damaged (its AV1"),
            "{text}"
        );
    }
}

/// The last tiles are missing, of colours or only of alpha.
#[test]
fn tiles_that_are_there_are_read_if_that_is_wanted() {
    let folder = Folder::new();
    let whole = read("avif_grid.avif").picture;
    let bytes = std::fs::read(file("avif_grid.avif")).unwrap();
    for (cut, same_colours) in [(20, true), (1300, false)] {
        let path = folder.write("cut.avif", &bytes[..bytes.len() - cut]);
        let text = message(Picture::open(&path), &path);
        assert!(text.starts_with("is truncated or damaged ("), "{text}");
        let options = DecodeOptions {
            tolerant: true,
            ..DecodeOptions::default()
        };
        let decoded = decode(&path, &options).unwrap();
        assert!(decoded.notes[0].starts_with("read as far as possible"));
        let picture = decoded.picture;
        assert_eq!(picture.rgb == whole.rgb, same_colours, "{cut}");
        assert_eq!(picture.rgb8()[..3 * 64], whole.rgb8()[..3 * 64], "{cut}");
    }
}

/// Whatever bytes are wrong, there is an answer and no panic.
#[test]
fn damage_anywhere_is_survived() {
    let folder = Folder::new();
    for name in [
        "avif_lossless.avif",
        "avif_metadata.avif",
        "avif_grid.avif",
        "avif_animation.avif",
        "avif_animation_alpha.avif",
    ] {
        let bytes = std::fs::read(file(name)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 1000 + 1) {
            let mut wrong = bytes.clone();
            wrong[at] ^= [0xff, 0x01, 0x80][at % 3];
            let path = folder.write("wrong", &wrong);
            let options = DecodeOptions {
                max_pixels: 1 << 16,
                tolerant: at % 2 == 0,
                frame: (at % 5 == 4).then_some(1),
                ..DecodeOptions::default()
            };
            let results = [decode(&path, &options).err(), frames(&path, &options).err()];
            for error in results.into_iter().flatten() {
                let has_panicked = matches!(error.problem, ImageProblem::Codec(_));
                assert!(!has_panicked, "{name}, {at}: {error}");
            }
        }
    }
}
