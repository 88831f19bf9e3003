//! JPEG XL files, written by libjxl.

use super::files::{Folder, message};
use super::noise;
use srdiff::image::{DecodeOptions, Decoded, Picture, decode, dimensions, frames};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new("tests/data/pictures").join(name)
}

fn read(name: &str) -> Decoded {
    decode(&file(name), &DecodeOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn lossless_files_give_their_pixels_alpha_and_exif() {
    let Decoded { picture, notes } = read("jxl_rgba.jxl");
    assert_eq!(notes, [""; 0]);
    assert_eq!(dimensions(&file("jxl_rgba.jxl")).unwrap(), (7, 5));
    let alpha = picture.alpha.as_ref().unwrap().to_u8();
    let pixels: Vec<u8> = (picture.rgb8().chunks(3).zip(&*alpha))
        .flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha])
        .collect();
    assert_eq!(pixels, noise(4 * 35, 1));
    // Its orientation does not count: the pixels are upright.
    let exif = picture.metadata.exif.unwrap();
    assert!(exif.windows(6).any(|part| part == b"srdiff"));
    assert_eq!(picture.metadata.dpi, Some([300.0, 300.0]));
    assert_eq!(picture.metadata.icc_profile, None);
}

#[test]
fn sixteen_bits_of_gray_stay() {
    let picture = read("jxl_gray16.jxl").picture;
    assert!(picture.gray);
    let samples = picture.rgb.to_u16();
    let gray: Vec<u16> = samples.iter().step_by(3).copied().collect();
    let expected: Vec<u16> = noise(35, 2).iter().map(|&v| u16::from(v) * 257).collect();
    assert_eq!((picture.rgb.bits(), gray), (16, expected));
}

#[test]
fn lossy_files_look_as_in_libjxl() {
    let picture = read("jxl_lossy.jxl").picture;
    assert_eq!((picture.width, picture.height), (24, 16));
    let rgb = picture.rgb8();
    for (channel, expected) in [125.79, 127.87, 134.43].into_iter().enumerate() {
        let values = rgb.iter().skip(channel).step_by(3);
        let mean = values.map(|&v| f64::from(v)).sum::<f64>() / 384.0;
        assert!((mean - expected).abs() < 0.5, "{mean} for {expected}");
    }
}

#[test]
fn an_animation_gives_the_frame_that_is_wanted() {
    let path = file("jxl_animation.jxl");
    assert_eq!(
        frames(&path, &DecodeOptions::default()).unwrap().list.len(),
        3
    );
    for (frame, level) in [(None, 10), (Some(0), 10), (Some(1), 120), (Some(2), 230)] {
        let options = DecodeOptions {
            frame,
            ..DecodeOptions::default()
        };
        let decoded = decode(&path, &options).unwrap();
        assert_eq!(decoded.picture.rgb8()[..], [level; 105], "{frame:?}");
        assert_eq!(decoded.notes.len(), usize::from(frame.is_none()));
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let folder = Folder::new();
    let bytes = std::fs::read(file("jxl_lossy.jxl")).unwrap();
    for length in [17, 40, bytes.len() / 2, bytes.len() - 20] {
        let path = folder.write("cut.jxl", &bytes[..length]);
        let text = message(Picture::open(&path), &path);
        assert!(
            text.starts_with("is truncated or damaged ("),
            "{length}: {text}"
        );
        let options = DecodeOptions {
            tolerant: true,
            ..DecodeOptions::default()
        };
        // All of its pixels are in one group, which is of no use unless it is whole.
        let text = message(decode(&path, &options), &path);
        let nothing = "none of its pixels can be read";
        assert!(length < 41 || text.contains(nothing), "{length}: {text}");
    }
    let options = DecodeOptions {
        max_pixels: 383,
        ..DecodeOptions::default()
    };
    let text = message(
        decode(&file("jxl_lossy.jxl"), &options),
        &file("jxl_lossy.jxl"),
    );
    assert!(text.starts_with("states a size of 24x16 pixels"), "{text}");
}

/// Whatever bytes are wrong, there is an answer and no panic.
#[test]
fn damage_anywhere_is_survived() {
    let folder = Folder::new();
    for name in ["jxl_rgba.jxl", "jxl_lossy.jxl", "jxl_animation.jxl"] {
        let bytes = std::fs::read(file(name)).unwrap();
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= [0xff, 0x01, 0x80][at % 3];
            let path = folder.write("wrong", &wrong);
            for tolerant in [false, true] {
                let options = DecodeOptions {
                    max_pixels: 1 << 16,
                    tolerant,
                    frame: (at % 2 == 1).then_some(1),
                    ..DecodeOptions::default()
                };
                let _ = (decode(&path, &options), frames(&path, &options));
            }
        }
    }
}
