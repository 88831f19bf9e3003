//! Files that are refused, and what is said about them.

use super::files::{Folder, files, jpeg, message, png, png_with, with_chunk};
use super::noise_picture;
use ::image::ExtendedColorType;
use srdiff::image::ImageProblem::TooLarge;
use srdiff::image::{MAX_PIXELS, Picture, dimensions};

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    let path = folder.path("none.png");
    let expected = "there is no such file; check the path of the image";
    assert_eq!(message(Picture::open(&path), &path), expected);
    assert_eq!(message(dimensions(&path), &path), expected);
    let below = folder.write("file", "x").join("none.png");
    assert_eq!(message(Picture::open(&below), &below), expected);
    let path = folder.path("");
    assert_eq!(
        message(Picture::open(&path), &path),
        "is a folder; name an image file"
    );
    let path = folder.write("empty.png", "");
    let expected = "is empty (0 bytes); fetch or save the image again";
    assert_eq!(message(Picture::open(&path), &path), expected);
    if cfg!(unix) {
        let path = std::path::Path::new("/dev/null");
        let expected = "is not a regular file; name an image file on a disk";
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
    let readable = match (cfg!(feature = "jxl"), cfg!(feature = "avif")) {
        (false, false) => "PNG, JPEG, WebP, TIFF, BMP, GIF, PNM",
        (true, false) => "PNG, JPEG, JPEG XL, WebP, TIFF, BMP, GIF, PNM",
        (false, true) => "PNG, JPEG, WebP, AVIF, TIFF, BMP, GIF, PNM",
        (true, true) => "PNG, JPEG, JPEG XL, WebP, AVIF, TIFF, BMP, GIF, PNM",
    };
    let expected = format!("is not an image, whatever its name says; give a {readable} file");
    assert_eq!(refused("text.png", b"Once upon a time"), expected);
    assert_eq!(refused("tiny.png", b"x"), expected);
    assert_eq!(refused("half a signature.png", b"\x89PNG"), expected);
    for (bytes, format) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "a HEIF image"),
        (b"\0\0\0\x14ftypisom\0\0\0\0avc1avif", "a video"),
        (b"PF\n1 1\n-1.0\n", "a portable float map (PFM)"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0", "a HEIF image"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", "a camera's raw file"),
        (b"II\xbc\x01\x20\0\0\0", "a JPEG XR image"),
        (b"\x0a\x05\x01\x08\0\0\0\0", "a PCX image"),
        (b"\0\0\x02\0\x01\0\x20\x20", "a cursor (CUR)"),
        (
            b"\xef\xbb\xbf\n <svg xmlns='x'/>",
            "a drawing or document in XML, perhaps SVG",
        ),
        (b"<!DOCTYPE html><html>", "a web page"),
        (
            b"\0\0\x02\0\0\0\0\0 pixels TRUEVISION-XFILE.\0",
            "a TGA image",
        ),
    ] {
        let expected =
            format!("is {format}, which cannot be read; convert it to one of {readable}");
        assert_eq!(refused("foreign.png", bytes), expected);
    }
    // Its first version has no signature.
    let bytes = b"\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\x01\0\x18\0abc";
    assert!(refused("old.TGA", bytes).starts_with("is a TGA image, "));
    assert!(refused("old.png", bytes).starts_with("is not an image"));
}

#[test]
fn kinds_of_coding_are_named_and_not_called_damage() {
    let folder = Folder::new();
    let jpeg_ls = b"\xff\xd8\xff\xf7\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\0\0abc\xff\xd9";
    let matrix = with_chunk(
        &png(1, 1, [8, 2], &[], &[0, 1, 2, 3]),
        b"cICP",
        &[1, 1, 1, 1],
    );
    let apple = with_chunk(&png(1, 1, [8, 6], &[], &[0]), b"CgBI", &[0x50, 0, 0x20, 6]);
    let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE DEPTH\nENDHDR\nab";
    for (bytes, what) in [
        (&jpeg_ls[..], "uses JPEG-LS coding, "),
        (&apple, "uses Apple's own form of PNG (CgBI), "),
        (pam, "uses pixels of the type DEPTH in PAM, "),
        (
            &matrix,
            "uses colours that are no RGB (cICP with matrix 1), ",
        ),
    ] {
        let path = folder.write("kind", bytes);
        let text = message(Picture::open(&path), &path);
        assert!(text.starts_with(what), "{text}");
        assert_eq!(message(dimensions(&path), &path), text);
    }
}

/// Both kinds, bare and in a container.
#[cfg(not(feature = "jxl"))]
#[test]
fn jpeg_xl_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let container = b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a";
    let bare = std::fs::read("tests/data/pictures/jxl_lossy.jxl").unwrap();
    for bytes in [&bare[..], container] {
        let path = folder.write("photo.jxl", bytes);
        let expected = "is a JPEG XL image, which this build of srdiff does not read; build with `cargo install --path . --features jxl`, or convert the image to PNG";
        assert_eq!(message(Picture::open(&path), &path), expected);
        assert_eq!(message(dimensions(&path), &path), expected);
    }
}

/// By any of its brands.
#[cfg(not(feature = "avif"))]
#[test]
fn avif_is_refused_with_what_to_do() {
    let folder = Folder::new();
    for bytes in [
        &std::fs::read("tests/data/pictures/avif_lossless.avif").unwrap()[..],
        b"\0\0\0\x18ftypavis\0\0\0\0msf1miaf",
        b"\0\0\0\x18ftypmif1\0\0\0\0miafavif",
    ] {
        let path = folder.write("photo.avif", bytes);
        let expected = "is an AVIF image, which this build of srdiff does not read; build with `cargo install --path . --features avif`, or convert the image to PNG";
        assert_eq!(message(Picture::open(&path), &path), expected);
        assert_eq!(message(dimensions(&path), &path), expected);
    }
}

#[test]
fn high_dynamic_range_is_refused() {
    let folder = Folder::new();
    for (transfer, name) in [(16, "PQ"), (18, "HLG")] {
        let file = png(1, 1, [8, 2], &[], &[0, 1, 2, 3]);
        let file = with_chunk(&file, b"cICP", &[9, transfer, 0, 1]);
        let path = folder.write("hdr.png", file);
        let expected = format!(
            "uses colours of high dynamic range ({name}), which cannot be read; save it as an ordinary 8-bit or 16-bit PNG"
        );
        assert_eq!(message(Picture::open(&path), &path), expected);
    }
}

#[test]
fn cut_files_are_refused() {
    let folder = Folder::new();
    let picture = noise_picture(40, 30, 8);
    let mut all = files([40, 30], ExtendedColorType::Rgb8, &picture.rgb8());
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
            assert!(text.ends_with("); fetch or save the image again"), "{text}");
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
        &picture.rgb8(),
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
    for (width, height) in [(100_000, 100_000), (16_000_000, 17), (16_385, 16_384)] {
        let path = folder.write("huge.png", png(width, height, [8, 2], &[], &[0]));
        for error in [
            Picture::open(&path).unwrap_err(),
            dimensions(&path).unwrap_err(),
        ] {
            let text = error.to_string();
            let size = format!("states a size of {width}x{height} pixels, but at most 268435456");
            assert!(text.contains(&size), "{text}");
            assert!(matches!(error.problem, TooLarge { .. }));
        }
    }
    for width in [0x7fff_ffff, 268_435_457] {
        let path = folder.write("wide.png", png(width, 1, [8, 2], &[], &[0]));
        for error in [
            Picture::open(&path).unwrap_err(),
            dimensions(&path).unwrap_err(),
        ] {
            let TooLarge { limit, .. } = error.problem else {
                panic!("{error}");
            };
            assert_eq!(limit, MAX_PIXELS);
        }
    }
    let path = folder.write("zero.png", png(0, 5, [8, 2], &[], &[0]));
    assert!(Picture::open(&path).is_err());
}

/// A tag that states more values than there is memory for.
#[test]
fn absurd_tags_are_refused() {
    let folder = Folder::new();
    let (subfile_type, long) = (254u16, 4u16);
    let mut tiff = b"II\x2b\0\x08\0\0\0".to_vec();
    tiff.extend(16u64.to_le_bytes());
    tiff.extend(1u64.to_le_bytes());
    tiff.extend(subfile_type.to_le_bytes());
    tiff.extend(long.to_le_bytes());
    tiff.extend((1u64 << 56).to_le_bytes());
    tiff.extend([0; 16]);
    let path = folder.write("tags.tif", tiff);
    assert!(Picture::open(&path).is_err());
    assert!(dimensions(&path).is_err());
}
