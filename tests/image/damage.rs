//! Files that are cut off, changed, or state what is not so: nothing of that is
//! silent, and with tolerance all that is there is read.

use super::files::{Folder, LONG, chunk, files, jpeg, message, page, png, tiff_pages};
use super::{noise, noise_picture};
use ::image::codecs::gif::GifEncoder;
use ::image::{ExtendedColorType, Frame, RgbaImage};
use srdiff::image::{DecodeOptions, Decoded, ImageError, ImageProblem, Picture, decode, frames};
use std::io::Write;
use std::path::Path;

pub const SIZE: [u32; 2] = [12, 10];
pub const RGB: ExtendedColorType = ExtendedColorType::Rgb8;

pub fn read(path: &Path, tolerant: bool) -> Result<Decoded, ImageError> {
    let options = DecodeOptions {
        tolerant,
        max_pixels: 1 << 14,
        ..DecodeOptions::default()
    };
    decode(path, &options)
}

/// Few colours, which GIF keeps.
pub fn samples() -> Vec<u8> {
    let noise = noise(3 * 12 * 10, 4);
    noise.iter().map(|value| value / 64 * 64).collect()
}

fn gif(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = samples()
        .chunks_exact(3)
        .flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255])
        .collect();
    let image = RgbaImage::from_raw(SIZE[0], SIZE[1], pixels).unwrap();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 1);
    let frames = (0..count).map(|_| Frame::new(image.clone()));
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    bytes
}

fn pnm(head: &str, samples: &[u8]) -> Vec<u8> {
    [head.as_bytes(), samples].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A TIFF file of one strip that is deflated.
fn deflated_tiff(data: &[u8]) -> Vec<u8> {
    tiff_pages(&[(&page(SIZE, [8, 3], 8, 2), data)])
}

fn text_pnm() -> Vec<u8> {
    let numbers: Vec<String> = samples().iter().map(u8::to_string).collect();
    format!("P3\n12 10\n255\n{}", numbers.join(" ")).into_bytes()
}

/// A file of each format that is always read, all of the same picture but JPEG's.
fn all_formats() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = files(SIZE, RGB, &samples());
    all.push(("JPEG", jpeg(SIZE, None)));
    all.push(("GIF", gif(1)));
    all.push(("PPM", pnm("P6\n12 10\n255\n", &samples())));
    all.push(("text PPM", text_pnm()));
    all.push(("TIFF, deflated", deflated_tiff(&deflated(&samples()))));
    let alpha = std::fs::read("tests/data/pictures/bmp_v4_alpha.bmp").unwrap();
    all.push(("BMP with alpha", alpha));
    all
}

/// All places in a small file; in a large one, some and those at its end.
fn some_of(length: usize) -> impl Iterator<Item = usize> {
    (1..length).filter(move |at| at % (1 + length / 500) == 0 || at + 20 > length)
}

pub fn has_note(decoded: &Decoded) -> bool {
    let notes = &decoded.notes;
    notes
        .iter()
        .any(|note| note.starts_with("read as far as possible: "))
}

/// What is an error is, with tolerance, a note or an error again, and what is none is the
/// same. Gives whether there is one.
pub fn check_tolerance(path: &Path, what: &str) -> bool {
    let tolerant = read(path, true);
    if let Err(error) = &tolerant {
        assert!(
            !matches!(error.problem, ImageProblem::Incomplete(_)),
            "{what}: {error}"
        );
    }
    match (read(path, false), tolerant) {
        (Ok(strict), Ok(tolerant)) => {
            assert_eq!(strict, tolerant, "{what}");
            false
        }
        (Ok(_), Err(error)) => panic!("{what}: {error}"),
        (Err(error), Ok(tolerant)) => {
            assert!(
                has_note(&tolerant),
                "{what}: {error}, but {:?}",
                tolerant.notes
            );
            true
        }
        (Err(_), Err(_)) => true,
    }
}

#[test]
fn no_cut_is_silent() {
    let folder = Folder::new();
    for (format, bytes) in all_formats() {
        let whole = folder.write("whole", &bytes);
        assert_eq!(read(&whole, false).unwrap().notes, [""; 0], "{format}");
        for length in some_of(bytes.len()) {
            let path = folder.write("cut", &bytes[..length]);
            let what = format!("{format}, {length} of {}", bytes.len());
            // The last number of a text may be cut, and the byte be missing that pads
            // a chunk.
            let most = match format {
                "text PPM" => 2,
                "WebP" => 1,
                _ => 0,
            };
            let is_hidden = length + most >= bytes.len();
            if !check_tolerance(&path, &what) && !is_hidden {
                assert_eq!(read(&path, false).unwrap().notes.len(), 1, "{what}");
            }
        }
    }
}

#[test]
fn no_wrong_byte_is_silent_where_it_can_be_noticed() {
    let folder = Folder::new();
    for (format, bytes) in all_formats() {
        for at in some_of(bytes.len()) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            let path = folder.write("wrong", &wrong);
            let what = format!("{format}, byte {at} of {}", bytes.len());
            let is_noticed = check_tolerance(&path, &what);
            let is_told = || !read(&path, false).unwrap().notes.is_empty();
            assert!(format != "PNG" || is_noticed || is_told(), "{what}");
        }
    }
}

/// The chunks have right checksums, and the pixels have not.
#[test]
fn the_checksum_of_pixels_counts() {
    let folder = Folder::new();
    let mut stream = deflated(&[&[0][..], &[7; 3]].concat());
    let whole = png(1, 1, [8, 2], &[], &[0, 7, 7, 7]);
    let head = &whole[..33];
    let file = |stream: &[u8], middle: &[u8]| {
        [head, middle, &chunk(b"IDAT", stream), &chunk(b"IEND", &[])].concat()
    };
    let path = folder.write("right.png", file(&stream, &[]));
    assert!(!check_tolerance(&path, "right"));
    *stream.last_mut().unwrap() ^= 1;
    let path = folder.write("wrong.png", file(&stream, &[]));
    let expected = "is truncated or damaged (the checksum of its pixels is wrong); fetch or save the image again";
    assert_eq!(message(Picture::open(&path), &path), expected);
    let Decoded { picture, notes } = read(&path, true).unwrap();
    assert_eq!(*picture.rgb8(), [7; 3]);
    assert_eq!(
        notes,
        ["read as far as possible: the checksum of its pixels is wrong"]
    );
    // Of a chunk that need not be there.
    let mut text = chunk(b"tEXt", b"a\0b");
    *text.last_mut().unwrap() ^= 1;
    let right = deflated(&[0, 7, 7, 7]);
    let path = folder.write("text.png", file(&right, &text));
    assert!(check_tolerance(&path, "text"));

    let mut stream = deflated(&samples());
    let path = folder.write("right.tif", deflated_tiff(&stream));
    assert!(!check_tolerance(&path, "right"));
    *stream.last_mut().unwrap() ^= 1;
    let path = folder.write("wrong.tif", deflated_tiff(&stream));
    assert!(check_tolerance(&path, "wrong"));
    assert_eq!(*read(&path, true).unwrap().picture.rgb8(), samples());
}

/// Those of the second frame are wrong.
#[test]
fn the_checksum_of_a_frame_counts() {
    let folder = Folder::new();
    let control = |number: u8| {
        let [w, h] = [1u32; 2].map(u32::to_be_bytes);
        let rest = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0];
        chunk(b"fcTL", &[&[0, 0, 0, number][..], &w, &h, &rest].concat())
    };
    let right = deflated(&[0, 7, 7, 7]);
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let head = &png(1, 1, [8, 2], &[], &[0, 7, 7, 7])[..33];
    let parts = [
        head,
        &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        &control(0),
        &chunk(b"IDAT", &right),
        &control(1),
        &chunk(b"fdAT", &[&[0, 0, 0, 2][..], &wrong].concat()),
    ];
    let file = [&parts.concat()[..], &chunk(b"IEND", &[])].concat();
    let path = folder.write("wrong.png", file);
    let of = |frame, tolerant| {
        let options = DecodeOptions {
            tolerant,
            frame: Some(frame),
            ..DecodeOptions::default()
        };
        decode(&path, &options)
    };
    assert!(of(1, false).is_err());
    assert!(has_note(&of(1, true).unwrap()));
    assert_eq!(of(0, false).unwrap().notes, [""; 0]);
}

#[test]
fn all_pixels_without_an_end_are_read() {
    let folder = Folder::new();
    let all = all_formats();
    let find = |name: &str| {
        all.iter()
            .find(|(format, _)| *format == name)
            .unwrap()
            .1
            .clone()
    };
    for (format, end) in [("PNG", 12), ("PNG", 3), ("GIF", 1), ("GIF", 2), ("JPEG", 2)] {
        let bytes = find(format);
        let whole = read(&folder.write("whole", &bytes), false).unwrap();
        let path = folder.write("cut", &bytes[..bytes.len() - end]);
        for tolerant in [false, true] {
            let Decoded { picture, notes } = read(&path, tolerant).unwrap();
            assert_eq!(picture, whole.picture, "{format}");
            assert_eq!(notes, ["its end marker is missing"], "{format}");
        }
        let list = frames(&path, &DecodeOptions::default()).unwrap().list;
        assert_eq!(list.len(), 1, "{format}");
    }
    // Only a second frame makes an animation.
    let path = folder.write("moving.gif", gif(2));
    let expected = ["an animation; only the first frame is used"];
    assert_eq!(read(&path, false).unwrap().notes, expected);
    // Some writers leave the byte out that pads the last chunk, and count it.
    let mut webp = find("WebP");
    let position = webp.windows(4).position(|name| name == b"VP8L").unwrap();
    let mut stated = u32::from_le_bytes(webp[position + 4..][..4].try_into().unwrap());
    if stated % 2 == 0 {
        stated -= 1;
        webp[position + 4..][..4].copy_from_slice(&stated.to_le_bytes());
    }
    webp.pop();
    let decoded = read(&folder.write("unpadded.webp", &webp), false).unwrap();
    assert_eq!(*decoded.picture.rgb8(), samples());
}

#[test]
fn what_is_there_of_a_cut_image_is_read() {
    let folder = Folder::new();
    let samples = samples();
    let row = 3 * 12;
    let wide: Vec<u8> = samples.iter().flat_map(|&value| [value, 1]).collect();
    let bottom_up = |format| matches!(format, "BMP");
    let mut all = all_formats();
    all.retain(|(format, _)| matches!(*format, "BMP" | "GIF" | "PPM" | "text PPM"));
    all.push(("wide PPM", pnm("P6\n12 10\n65535\n", &wide)));
    for (format, bytes) in all {
        let whole = read(&folder.write("whole", &bytes), false).unwrap().picture;
        let whole = whole.rgb8();
        let missing = if format == "GIF" { 15 } else { 80 };
        let path = folder.write("cut", &bytes[..bytes.len() - missing]);
        let error = read(&path, false).unwrap_err();
        let is_incomplete = matches!(error.problem, ImageProblem::Incomplete(_));
        assert!(is_incomplete, "{format}: {error}");
        let decoded = read(&path, true).unwrap();
        assert!(has_note(&decoded) && decoded.notes.len() == 1, "{format}");
        let found = decoded.picture.rgb8();
        let [there, missing] = match bottom_up(format) {
            true => [7 * row..10 * row, 0..row],
            false => [0..3 * row, 9 * row..10 * row],
        };
        assert_eq!(found[there.clone()], whole[there], "{format}");
        assert_ne!(found[missing.clone()], whole[missing], "{format}");
    }
}

/// A BMP file of 4x2 pixels that holds runs of two colours.
fn bmp_of_runs(runs: &[u8]) -> Vec<u8> {
    let long = |value: usize| (value as u32).to_le_bytes();
    let palette = [200, 100, 50, 0, 10, 20, 30, 0];
    let start = 54 + palette.len();
    let header = [
        &b"BM"[..],
        &long(start + runs.len()),
        &[0; 4],
        &long(start),
        &long(40),
        &long(4),
        &long(2),
        &[1, 0, 8, 0],
        &long(1),
        &long(runs.len()),
        &[0; 8],
        &long(2),
        &long(2),
    ];
    [&header.concat()[..], &palette, runs].concat()
}

#[test]
fn what_comes_before_a_wrong_run_is_read() {
    let folder = Folder::new();
    // The lower row, and an upper one with a place beyond the image.
    let whole = [4, 0, 0, 0, 4, 1, 0, 1];
    let wrong = [4, 0, 0, 0, 2, 1, 0, 2, 0, 9, 0, 1];
    let path = folder.write("whole.bmp", bmp_of_runs(&whole));
    let expected = read(&path, false).unwrap().picture.rgb8().to_vec();
    let path = folder.write("wrong.bmp", bmp_of_runs(&wrong));
    assert!(read(&path, false).is_err());
    let decoded = read(&path, true).unwrap();
    assert!(has_note(&decoded), "{:?}", decoded.notes);
    let found = decoded.picture.rgb8();
    assert_eq!(found[12..], expected[12..]);
    assert_eq!(found[..6], expected[..6]);
    assert_eq!(found[6..12], [0; 6]);
    let nothing = folder.write("nothing.bmp", bmp_of_runs(&[0, 2, 0, 9, 0, 1]));
    assert!(read(&nothing, true).is_err());
}

#[test]
fn nothing_is_no_image() {
    let folder = Folder::new();
    let picture = noise_picture(40, 30, 3);
    let all = files([40, 30], RGB, &picture.rgb8());
    let find = |name: &str| {
        all.iter()
            .find(|(format, _)| *format == name)
            .unwrap()
            .1
            .clone()
    };
    let webp = find("WebP");
    let jpeg = jpeg(SIZE, None);
    let scan = jpeg
        .windows(2)
        .rposition(|marker| marker == [0xff, 0xda])
        .unwrap();
    let scan_length = usize::from(jpeg[scan + 3]);
    let gif = gif(1);
    let frame = gif.iter().rposition(|&byte| byte == 0x2c).unwrap();
    let head = &png(40, 30, [8, 2], &[], &[0])[..33];
    let zeros = [head, &chunk(b"IDAT", &[0; 300]), &chunk(b"IEND", &[])].concat();
    let nowhere = {
        let mut tags = page(SIZE, [8, 3], 8, 2);
        tags.retain(|(tag, ..)| *tag != 278);
        tags.push((278, LONG, vec![10]));
        tiff_pages(&[(&tags, &[0xff; 20])])
    };
    for (name, bytes) in [
        ("zeros.png", &zeros[..]),
        ("cut.webp", &webp[..webp.len() - 30]),
        ("cut.bmp", &find("BMP")[..54]),
        ("cut.ppm", b"P6\n12 10\n255\n"),
        ("cut text.ppm", b"P3\n12 10\n255\n \n"),
        ("cut.jpg", &jpeg[..scan + 2 + scan_length]),
        ("cut.gif", &gif[..frame + 10]),
        ("wrong.tif", &nowhere),
    ] {
        let path = folder.write(name, bytes);
        for tolerant in [false, true] {
            let error = read(&path, tolerant).unwrap_err();
            assert!(
                matches!(error.problem, ImageProblem::Damaged(_))
                    || name == "cut.webp" && !tolerant,
                "{error}"
            );
        }
    }
}
