//! What metadata state of the pixels, in an image that was turned or enlarged.

use super::directories::{ASCII, LONG, RATIONAL, Tiff, entry, holds};
use super::files::Folder;
use super::words::with_segment;
use srdiff::image::{DecodeOptions, Decoded, OutputFormat, Picture, decode};

/// A picture of 16x8 with metadata.
fn picture(exif: Option<Vec<u8>>, xmp: &str) -> Picture {
    let mut picture = super::noise_picture(16, 8, 1);
    picture.metadata.exif = exif;
    picture.metadata.xmp = Some(xmp.as_bytes().to_vec());
    picture
}

/// What is in the files of a format.
fn read(picture: &Picture, format: OutputFormat) -> Decoded {
    let folder = Folder::new();
    let bytes = picture.encode(format, &Default::default()).unwrap();
    let path = folder.write("file", bytes);
    decode(&path, &DecodeOptions::default()).unwrap()
}

fn xmp(picture: &Picture) -> &str {
    str::from_utf8(picture.metadata.xmp.as_deref().unwrap()).unwrap()
}

/// EXIF of this orientation, of 300 pixels an inch across and 150 down, of an image of
/// 16x8.
fn block(little: bool, orientation: usize) -> Vec<u8> {
    let mut tiff = Tiff::new(little, false);
    let sizes = [tiff.short(40_962, 16), tiff.long(40_963, 8)];
    let exif = tiff.directory(&sizes, 0);
    let fraction = |value| [tiff.number(value, 4), tiff.number(1, 4)].concat();
    let tags = [
        (271, ASCII, b"Camera\0".to_vec()),
        tiff.short(274, orientation),
        (282, RATIONAL, fraction(300)),
        (283, RATIONAL, fraction(150)),
        tiff.short(296, 2),
        tiff.long(34_665, exif),
    ];
    let first = tiff.directory(&tags, 0);
    tiff.file(first)
}

#[test]
fn a_result_states_its_own_size() {
    let packet =
        "<x tiff:ImageWidth='16' exif:PixelYDimension='8' GPano:FullPanoHeightPixels='9'/>";
    let picture = picture(Some(block(true, 1)), packet);
    for format in [
        OutputFormat::Png,
        OutputFormat::Jpeg,
        OutputFormat::WebP,
        OutputFormat::Tiff,
    ] {
        let once = read(&picture, format).picture;
        let before = once.metadata.clone();
        assert_eq!(once.without_pixels([16, 8]).metadata, before, "{format}");
        let result = once.without_pixels([70_000, 32]);
        let exif = result.metadata.exif.as_deref().unwrap();
        let width = [entry(40_962, LONG, 1), 70_000u32.to_le_bytes().to_vec()];
        let height = [entry(40_963, LONG, 1), 32u32.to_le_bytes().to_vec()];
        for part in [width, height] {
            assert!(holds(exif, &part.concat()), "{format}");
        }
        let expected = packet.replace("'16'", "'70000'").replace("'8'", "'32'");
        assert_eq!(xmp(&result), expected.replace("'9'", "'36'"), "{format}");
    }
}

#[test]
fn a_turned_resolution_is_told_everywhere() {
    let packet = "<x tiff:XResolution='300/1' tiff:YResolution='150/1' tiff:ImageWidth='16'/>";
    for little in [true, false] {
        for (orientation, is_turned) in [(1, false), (3, false), (5, true), (6, true)] {
            let picture = picture(Some(block(little, orientation)), packet);
            for format in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::WebP] {
                let once = read(&picture, format).picture;
                let dpi = if is_turned {
                    [150.0, 300.0]
                } else {
                    [300.0, 150.0]
                };
                assert_eq!(once.metadata.dpi.map(|dpi| dpi.map(f64::round)), Some(dpi));
                // What EXIF says is all that WebP files hold.
                let again = read(&once, OutputFormat::WebP).picture.metadata.dpi;
                assert_eq!(again, Some(dpi), "{format} {orientation}");
                let expected = match is_turned {
                    false => packet.to_owned(),
                    true => {
                        "<x tiff:XResolution='150/1' tiff:YResolution='300/1' tiff:ImageWidth='8'/>"
                            .to_owned()
                    }
                };
                assert_eq!(xmp(&once), expected, "{format} {orientation}");
            }
        }
    }
}

#[test]
fn what_is_attached_to_an_image_is_told_and_no_longer_promised() {
    let film = "the film of a motion photo is left out";
    let gain_map = "a gain map (for screens of high dynamic range) is left out";
    for (packet, expected, notes) in [
        (
            "<x GCamera:MotionPhoto=\"1\" GCamera:MotionPhotoVersion=\"1\"/>",
            "<x GCamera:MotionPhoto=\"0\" GCamera:MotionPhotoVersion=\"1\"/>",
            &[film][..],
        ),
        (
            "<Camera:MotionPhoto>1</Camera:MotionPhoto><x hdrgm:Version='1.0'/>",
            "<Camera:MotionPhoto>0</Camera:MotionPhoto><x hdrgm:Version='0'/>",
            &[film, gain_map],
        ),
        (
            "<x GCamera:MicroVideo='1' GCamera:MicroVideoOffset='99'/>",
            "<x GCamera:MicroVideo='0' GCamera:MicroVideoOffset='99'/>",
            &[film],
        ),
        (
            "<x GCamera:MotionPhoto='0'/>",
            "<x GCamera:MotionPhoto='0'/>",
            &[],
        ),
    ] {
        let folder = Folder::new();
        let segment = [&b"http://ns.adobe.com/xap/1.0/\0"[..], packet.as_bytes()].concat();
        let file = with_segment(0xe1, &segment);
        let path = folder.write("moving.jpg", [&file[..], b"\0\0\0\x18ftypmp42"].concat());
        let decoded = decode(&path, &DecodeOptions::default()).unwrap();
        assert_eq!(decoded.notes, notes);
        assert_eq!(xmp(&decoded.picture), expected);
    }
}

/// They need not know who drop it.
#[test]
fn what_became_a_profile_is_told_to_those_who_keep_it() {
    let path = "tests/data/pictures/png_gama_linear.png";
    let notes = |metadata| {
        let options = DecodeOptions {
            metadata,
            ..DecodeOptions::default()
        };
        decode(path.as_ref(), &options).unwrap().notes
    };
    let told = "its gamma (gAMA 1.00000) became a colour profile";
    assert_eq!(notes(true), [told]);
    assert_eq!(notes(false), [""; 0]);
}
