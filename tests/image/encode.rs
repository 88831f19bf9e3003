//! Pixels to files.

use super::files::{Folder, message, profile};
use super::{noise, noise_picture};
use srdiff::image::{EncodeOptions, ImageProblem, OutputFormat, Picture, check_writable};
use std::{fs, path::Path};

const ALL: [(OutputFormat, &str); 4] = [
    (OutputFormat::Png, "out.png"),
    (OutputFormat::Jpeg, "out.jpg"),
    (OutputFormat::WebP, "out.webp"),
    (OutputFormat::Tiff, "out.tif"),
];

fn saved(folder: &Folder, picture: &Picture, format: OutputFormat, name: &str) -> Picture {
    let path = folder.path(name);
    let options = EncodeOptions::default();
    picture.save(&path, format, &options, true).unwrap();
    Picture::open(&path).unwrap()
}

#[test]
fn the_extension_names_the_format() {
    for (name, format) in [
        ("a.png", OutputFormat::Png),
        ("a.b.JPG", OutputFormat::Jpeg),
        ("a.jpeg", OutputFormat::Jpeg),
        ("a.WebP", OutputFormat::WebP),
        ("a.tif", OutputFormat::Tiff),
        ("a.TIFF", OutputFormat::Tiff),
    ] {
        assert_eq!(OutputFormat::from_path(Path::new(name)).unwrap(), format);
    }
    for name in ["png", ".png", "a."] {
        let path = Path::new(name);
        assert_eq!(
            message(OutputFormat::from_path(path), path),
            "has no extension that says which format to write; end its name in one of .png, .jpg, .jpeg, .webp, .tif, .tiff"
        );
    }
    for (name, extension) in [("a.gif", "gif"), ("a.png.BMP", "BMP")] {
        let path = Path::new(name);
        let text = message(OutputFormat::from_path(path), path);
        let start = format!("its extension .{extension} names no format that is written; end");
        assert!(text.starts_with(&start), "{text}");
    }
}

#[test]
fn lossless_formats_give_back_what_was_written() {
    let folder = Folder::new();
    let mut picture = noise_picture(9, 6, 1);
    for icc in [None, Some(profile(b"RGB "))] {
        for alpha in [None, Some(noise(54, 2))] {
            picture.metadata.icc_profile = icc.clone();
            picture.alpha = alpha.map(Into::into);
            for (format, name) in [ALL[0], ALL[2], ALL[3]] {
                assert_eq!(saved(&folder, &picture, format, name), picture, "{name}");
            }
        }
    }
}

#[test]
fn gray_pictures_have_one_channel_unless_their_profile_has_three() {
    let folder = Folder::new();
    let mut picture = noise_picture(9, 6, 1).into_gray();
    for alpha in [None, Some(noise(54, 2))] {
        picture.alpha = alpha.map(Into::into);
        for colours in [None, Some(b"GRAY"), Some(b"RGB ")] {
            picture.metadata.icc_profile = colours.map(|colours| profile(colours).to_vec());
            let back = saved(&folder, &picture, OutputFormat::Png, "gray.png");
            assert_eq!(back.gray, colours != Some(b"RGB "), "{colours:?}");
            assert_eq!(back.rgb, picture.rgb);
            assert_eq!(back.alpha, picture.alpha);
            assert_eq!(back.metadata, picture.metadata);
        }
    }
    picture.alpha = None;
    picture.metadata.icc_profile = None;
    assert!(saved(&folder, &picture, OutputFormat::Jpeg, "gray.jpg").gray);
    let webp = saved(&folder, &picture, OutputFormat::WebP, "gray.webp");
    assert_eq!(webp.rgb, picture.rgb);
}

#[test]
fn jpeg_keeps_the_profile_and_full_colour_resolution() {
    let folder = Folder::new();
    let mut picture = noise_picture(16, 16, 1);
    picture.metadata.icc_profile = Some(profile(b"RGB "));
    let back = saved(&folder, &picture, OutputFormat::Jpeg, "out.jpg");
    assert_eq!(back.metadata, picture.metadata);
    // Frame header: length, precision, height, width, then three components
    // of id, sampling and table; 0x11 is one sample a pixel.
    let bytes = fs::read(folder.path("out.jpg")).unwrap();
    let start = bytes
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    let frame = &bytes[start + 2..][..17];
    assert_eq!(
        (frame[7], frame[9], frame[12], frame[15]),
        (3, 0x11, 0x11, 0x11)
    );
}

#[test]
fn the_quality_of_jpeg_counts_and_has_limits() {
    let folder = Folder::new();
    let picture = noise_picture(32, 32, 1);
    let path = folder.path("q.jpg");
    let size = |jpeg_quality| {
        let options = EncodeOptions { jpeg_quality };
        picture
            .save(&path, OutputFormat::Jpeg, &options, true)
            .unwrap();
        fs::metadata(&path).unwrap().len()
    };
    assert!(size(100) > size(50) && size(50) > size(1));
    for jpeg_quality in [0, 101] {
        let options = EncodeOptions { jpeg_quality };
        let path = folder.path("none.jpg");
        assert_eq!(
            message(
                picture.save(&path, OutputFormat::Jpeg, &options, true),
                &path
            ),
            format!("the JPEG quality is {jpeg_quality}, but it goes from 1 to 100; give another")
        );
    }
    assert_eq!(folder.names(), ["q.jpg"]);
}

#[test]
fn jpeg_lays_the_picture_over_white() {
    let folder = Folder::new();
    let mut picture = Picture::new(16, 8, [200, 40, 40].repeat(128));
    let alpha = |pixel| [0, 255][usize::from(pixel % 16 >= 8)];
    picture.alpha = Some((0..128).map(alpha).collect::<Vec<u8>>().into());
    let back = saved(&folder, &picture, OutputFormat::Jpeg, "out.jpg");
    assert_eq!(back.alpha, None);
    for (x, expected) in [(4, [255, 255, 255]), (12, [200, 40, 40])] {
        let pixel = &back.rgb8()[3 * (16 * 4 + x)..][..3];
        assert!(
            pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 4),
            "{pixel:?}"
        );
    }
    // Halfway.
    picture.alpha = Some(vec![51u8; 128].into());
    let back = saved(&folder, &picture, OutputFormat::Jpeg, "out.jpg");
    assert!(
        back.rgb8()[0].abs_diff(244) < 4 && back.rgb8()[1].abs_diff(212) < 4,
        "{:?}",
        &back.rgb8()[..3]
    );
}

#[test]
fn sizes_that_a_format_cannot_hold_are_refused() {
    let path = Path::new("large.out");
    for (format, limit) in [(OutputFormat::Jpeg, 65_500), (OutputFormat::WebP, 16_383)] {
        assert!(format.check(path, limit, limit).is_ok());
        for (width, height) in [(limit + 1, 5), (5, limit + 1)] {
            assert_eq!(
                message(format.check(path, width, height), path),
                format!(
                    "a {format} image has at most {limit} pixels a side, and the result has {width}x{height}; write a PNG file"
                )
            );
        }
    }
    assert!(OutputFormat::Png.check(path, 100_000, 100_000).is_ok());

    let folder = Folder::new();
    let path = folder.path("wide.webp");
    let picture = Picture::new(16_384, 1, vec![9; 3 * 16_384]);
    let result = picture.save(&path, OutputFormat::WebP, &EncodeOptions::default(), false);
    assert!(matches!(
        result.unwrap_err().problem,
        ImageProblem::FormatLimit { .. }
    ));
    assert!(folder.names().is_empty());
}

#[test]
fn nothing_is_overwritten_unasked() {
    let folder = Folder::new();
    let path = folder.write("there.png", "old");
    let expected = "exists already; give another name, or ask for it to be overwritten";
    assert_eq!(message(check_writable(&path, false), &path), expected);
    let picture = noise_picture(2, 2, 0);
    let save = |overwrite| {
        picture.save(
            &path,
            OutputFormat::Png,
            &EncodeOptions::default(),
            overwrite,
        )
    };
    assert_eq!(message(save(false), &path), expected);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    check_writable(&path, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    save(true).unwrap();
    assert_eq!(Picture::open(&path).unwrap(), picture);
    assert_eq!(folder.names(), ["there.png"]);
}

#[test]
fn the_early_check_leaves_nothing_behind() {
    let folder = Folder::new();
    check_writable(&folder.path("new.png"), false).unwrap();
    assert!(folder.names().is_empty());
}

#[test]
fn places_that_cannot_be_written_are_refused() {
    let folder = Folder::new();
    let file = folder.write("file", "x");
    let picture = noise_picture(2, 2, 0);
    let refused = |path: &Path| {
        let text = message(check_writable(path, true), path);
        let saving = picture.save(path, OutputFormat::Png, &EncodeOptions::default(), true);
        assert_eq!(message(saving, path), text);
        text
    };
    let absent = folder.path("no folder");
    assert_eq!(
        refused(&absent.join("out.png")),
        format!(
            "its folder {} does not exist; create it or give another path",
            absent.display()
        )
    );
    for name in ["out.png", "deep/out.png"] {
        assert_eq!(
            refused(&file.join(name)),
            format!(
                "{} is a file and no folder; give another path",
                file.display()
            )
        );
    }
    fs::create_dir(folder.path("folder.png")).unwrap();
    assert_eq!(
        refused(&folder.path("folder.png")),
        "is a folder; name an image file"
    );
    if cfg!(target_os = "linux") {
        // Takes no files, not even from a privileged user.
        let text = refused(Path::new("/proc/out.png"));
        assert!(text.starts_with("cannot be written ("), "{text}");
        assert_eq!(
            refused(Path::new("/dev/null")),
            "is not a regular file; name an image file on a disk"
        );
    }
    assert_eq!(folder.names(), ["file", "folder.png"]);
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_a_new_file_or_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let usual = mode(&folder.write("usual", "x"));
    let path = folder.path("out.png");
    let picture = noise_picture(2, 2, 0);
    let save = || picture.save(&path, OutputFormat::Png, &EncodeOptions::default(), true);
    save().unwrap();
    assert_eq!(mode(&path), usual);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    save().unwrap();
    assert_eq!(mode(&path), 0o604);
}

#[cfg(unix)]
#[test]
fn a_link_is_followed() {
    let folder = Folder::new();
    let file = folder.write("file.png", "old");
    let link = folder.path("link.png");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let picture = noise_picture(2, 2, 0);
    let options = EncodeOptions::default();
    picture
        .save(&link, OutputFormat::Png, &options, true)
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Picture::open(&file).unwrap(), picture);
}
