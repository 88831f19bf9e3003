//! What is damaged, left over or left out beside the pixels.

use super::damage::{RGB, SIZE, check_tolerance, has_note, read, samples};
use super::files::{Folder, SHORT, encoded, page, png, png_with, profile, tiff_pages, with_chunk};
use super::noise_picture;
use ::image::codecs::jpeg::JpegEncoder;
use srdiff::image::{Decoded, ImageProblem};

#[test]
fn left_over_pixels_of_a_jpeg_are_damage() {
    let folder = Folder::new();
    let picture = noise_picture(64, 64, 5);
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 80);
    encoded(encoder, [64, 64], RGB, &picture.rgb8(), [None, None]);
    let frame = bytes
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    let mut short = bytes.clone();
    short[frame + 6] = 32;
    let path = folder.write("short.jpg", short);
    assert!(check_tolerance(&path, "short"));
    let decoded = read(&path, true).unwrap();
    assert!(has_note(&decoded), "{:?}", decoded.notes);

    let (data, end) = bytes.split_at(bytes.len() - 2);
    let before_end = |name, filling: &[u8]| {
        let path = folder.write(name, [data, filling, end].concat());
        read(&path, false).map(|decoded| decoded.notes)
    };
    let many: Vec<u8> = (1..=100).collect();
    assert_eq!(before_end("zeros.jpg", &[0; 100]).unwrap(), [""; 0]);
    assert_eq!(before_end("ones.jpg", &[0xff; 100]).unwrap(), [""; 0]);
    assert_eq!(before_end("few.jpg", &many[..14]).unwrap().len(), 1);
    let error = before_end("many.jpg", &many).unwrap_err();
    assert!(
        matches!(error.problem, ImageProblem::Incomplete(_)),
        "{error}"
    );
    let after_end = [&bytes[..], &many].concat();
    let path = folder.write("preview.jpg", after_end);
    assert_eq!(read(&path, false).unwrap().notes, [""; 0]);
}

#[test]
fn damaged_profiles_are_told_as_such() {
    let folder = Folder::new();
    let damaged = "its colour profile is damaged and was left out";
    let mut cut = profile(b"RGB ");
    cut.truncate(130);
    for profile in [vec![7; 300], cut] {
        let samples = samples();
        let png = png_with(SIZE, RGB, &samples, [None, Some(profile.clone())]);
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
        encoded(encoder, SIZE, RGB, &samples, [None, Some(profile.clone())]);
        let mut tags = page(SIZE, [8, 3], 1, 2);
        let numbers = profile.iter().map(|&value| value.into()).collect();
        tags.push((34_675, SHORT, numbers));
        for (name, bytes) in [
            ("a.png", png),
            ("a.jpg", jpeg),
            ("a.tif", tiff_pages(&[(&tags, &samples)])),
        ] {
            let Decoded { picture, notes } = read(&folder.write(name, bytes), false).unwrap();
            assert_eq!(notes, [damaged], "{name}");
            assert_eq!(picture.metadata.icc_profile, None);
        }
    }
    // One that cannot be decompressed.
    let png = png(1, 1, [8, 2], &[], &[0, 1, 2, 3]);
    let png = with_chunk(&png, b"iCCP", b"name\0\0no zlib stream");
    assert_eq!(
        read(&folder.write("b.png", png), false).unwrap().notes,
        [damaged]
    );
    let other = png_with(SIZE, RGB, &samples(), [None, Some(profile(b"CMYK"))]);
    let notes = read(&folder.write("c.png", other), false).unwrap().notes;
    assert_eq!(
        notes,
        ["its colour profile is for other colours and was left out"]
    );
}

#[test]
fn channels_that_are_left_out_are_told() {
    let folder = Folder::new();
    for (kinds, expected) in [
        (vec![0], "a channel that is no colour is left out"),
        (vec![2, 0], "a channel that is no colour is left out"),
        (vec![0, 0], "2 channels that are no colours are left out"),
    ] {
        let count = 3 + kinds.len();
        let mut tags = page([2, 1], [8, count as u32], 1, 2);
        tags.push((338, SHORT, kinds));
        let path = folder.write("channels.tif", tiff_pages(&[(&tags, &vec![9; 2 * count])]));
        assert_eq!(read(&path, false).unwrap().notes, [expected]);
    }
}
