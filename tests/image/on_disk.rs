//! Images that are kept in a temporary file, as large ones are.

use super::files::Folder;
use super::{noise, noise_picture};
use srdiff::image::{
    Border, Colors, DecodeOptions, EncodeOptions, Metadata, OutputFormat, Picture, decode,
};
use std::path::Path;

/// However few bytes it has.
fn on_disk() -> DecodeOptions {
    DecodeOptions {
        in_memory: 0,
        ..DecodeOptions::default()
    }
}

/// What is read is the same wherever it is kept, and so is what is made of it.
fn check(path: &Path, options: &DecodeOptions) {
    let in_memory = DecodeOptions {
        in_memory: u64::MAX,
        ..*options
    };
    let (there, expected) = match (decode(path, options), decode(path, &in_memory)) {
        (Ok(there), Ok(expected)) => (there, expected),
        (Err(error), Err(expected)) => {
            assert_eq!(error.to_string(), expected.to_string());
            return;
        }
        (there, expected) => panic!("{}: {there:?} in place of {expected:?}", path.display()),
    };
    assert!(there == expected, "{}", path.display());
    let (mut there, mut expected) = (there.picture, expected.picture);
    assert_eq!(there.is_neutral(), expected.is_neutral());
    assert_eq!(there.is_opaque(), expected.is_opaque());
    let window = |picture: &Picture| {
        let colors = Colors::new(picture, Border::Reflected).unwrap();
        let size = [picture.width + 3, picture.height + 5];
        colors.window([-2, -1], size).unwrap()
    };
    assert_eq!(window(&there), window(&expected), "{}", path.display());
    assert_eq!(there.strip(), expected.strip());
    assert!(there == expected, "without metadata: {}", path.display());
}

#[test]
fn every_kind_of_file_is_read_the_same() {
    let mut count = 0;
    for entry in std::fs::read_dir("tests/data/pictures").unwrap() {
        let path = entry.unwrap().path();
        for (tolerant, frame) in [(false, None), (true, None), (false, Some(1))] {
            let options = DecodeOptions {
                tolerant,
                frame,
                ..on_disk()
            };
            check(&path, &options);
        }
        count += 1;
    }
    assert!(count > 40);
}

/// An image of many sides, so that it has more than one part.
const SIZE: [usize; 2] = [2300, 1100];

/// Images of all kinds, larger than what is worked on at a time.
fn pictures() -> Vec<(&'static str, Picture)> {
    let [width, height] = SIZE;
    let color = noise_picture(width, height, 1);
    let gray = noise(width * height, 2);
    let gray = gray.iter().flat_map(|&v| [v; 3]).collect();
    let gray = Picture::new(width, height, gray).into_gray();
    let deep = noise(6 * width * height, 3);
    let deep: Vec<u16> = deep
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let deep = Picture::with_samples(width, height, deep.into());
    // Visible in a corner alone, whose colours fill the rest.
    let opacity = |index: usize| match index % width < 40 && index / width < 30 {
        true => 255,
        false => (index % 7) as u8,
    };
    let alpha: Vec<u8> = (0..width * height).map(opacity).collect();
    let clear = Picture {
        alpha: Some(alpha.into()),
        ..color.clone()
    };
    vec![
        ("color", color),
        ("gray", gray),
        ("deep", deep),
        ("clear", clear),
    ]
}

/// EXIF that says how the image is to be turned, in a file of TIFF's form.
fn turned(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

#[test]
fn large_images_are_read_the_same() {
    let folder = Folder::new();
    for (name, picture) in pictures() {
        for extension in ["png", "tif"] {
            let path = folder.path(&format!("{name}.{extension}"));
            let format = OutputFormat::from_path(&path).unwrap();
            let options = EncodeOptions::default();
            picture.save(&path, format, &options, false).unwrap();
            check(&path, &on_disk());
            // As far as it goes.
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.truncate(bytes.len() * 2 / 3);
            let cut = folder.write(&format!("cut.{extension}"), bytes);
            let tolerant = DecodeOptions {
                tolerant: true,
                ..on_disk()
            };
            check(&cut, &tolerant);
        }
    }
}

#[test]
fn large_images_are_turned_the_same() {
    let folder = Folder::new();
    let [width, height] = SIZE;
    for orientation in 2..=8 {
        let bytes = jpeg_with_exif(&noise_picture(width, height, 4), &turned(orientation));
        let path = folder.write("turned.jpg", bytes);
        check(&path, &on_disk());
        let picture = decode(&path, &on_disk()).unwrap().picture;
        assert_eq!(picture.width == width, orientation < 5);
    }
}

/// A JPEG file with this EXIF, whose orientation is not reset as srdiff does it.
fn jpeg_with_exif(picture: &Picture, exif: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("plain.jpg");
    let options = EncodeOptions::default();
    picture
        .save(&path, OutputFormat::Jpeg, &options, false)
        .unwrap();
    let bytes = std::fs::read(path).unwrap();
    let length = (8 + exif.len() as u16).to_be_bytes();
    [
        &bytes[..2],
        b"\xff\xe1",
        &length,
        b"Exif\0\0",
        exif,
        &bytes[2..],
    ]
    .concat()
}

#[test]
fn a_large_image_of_other_colours_is_converted_the_same() {
    let folder = Folder::new();
    let profile = |name: &str| {
        let path = Path::new("tests/data/pictures").join(name);
        Picture::open(&path).unwrap().metadata.icc_profile
    };
    for ((name, picture), profile) in pictures().into_iter().zip([
        profile("tiff_icc_small.tif"),
        profile("gray_icc.png"),
        profile("tiff_icc_small.tif"),
    ]) {
        let picture = Picture {
            metadata: Metadata {
                icc_profile: Some(profile.unwrap()),
                ..Metadata::default()
            },
            ..picture
        };
        let path = folder.path(&format!("{name}.png"));
        let options = EncodeOptions::default();
        picture
            .save(&path, OutputFormat::Png, &options, false)
            .unwrap();
        let before = decode(&path, &on_disk()).unwrap().picture;
        let mut after = before.clone();
        assert_eq!(after.strip(), Ok(true));
        assert!(before.rgb != after.rgb, "{name}");
        check(&path, &on_disk());
    }
}
