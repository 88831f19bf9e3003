//! What files say besides their pixels, from every format to every other.

use super::files::{Folder, exif, profile, with_chunk};
use super::{noise, noise_picture};
use srdiff::image::{DecodeOptions, EncodeOptions, Metadata, OutputFormat, Picture, decode};

const FORMATS: [(OutputFormat, &str); 4] = [
    (OutputFormat::Png, "png"),
    (OutputFormat::Jpeg, "jpg"),
    (OutputFormat::WebP, "webp"),
    (OutputFormat::Tiff, "tif"),
];

fn saved(folder: &Folder, picture: &Picture, format: OutputFormat) -> Picture {
    let path = folder.path("file");
    let options = EncodeOptions::default();
    picture.save(&path, format, &options, true).unwrap();
    Picture::open(&path).unwrap()
}

/// EXIF with a camera's name and an exposure time, in either byte order.
fn camera(little: bool) -> Vec<u8> {
    let short = |value: u16| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let long = |value: u32| {
        if little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    };
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&short(tag)[..], &short(kind), &long(count), &long(value)].concat()
    };
    let mut block = if little {
        b"II*\0".to_vec()
    } else {
        b"MM\0*".to_vec()
    };
    block.extend(long(8));
    block.extend(short(2));
    block.extend(entry(271, 2, 8, 38)); // Make
    block.extend(entry(34_665, 4, 1, 46)); // EXIF directory
    block.extend(long(0));
    block.extend(b"Camera\0\0");
    block.extend(short(1));
    block.extend(entry(33_434, 5, 1, 64)); // ExposureTime
    block.extend(long(0));
    block.extend([long(1), long(250)].concat());
    block
}

#[test]
fn all_metadata_survive_every_pair_of_formats() {
    let folder = Folder::new();
    let mut picture = noise_picture(16, 8, 1);
    let xmp = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>".to_vec();
    for little in [true, false] {
        picture.metadata = Metadata {
            icc_profile: Some(profile(b"RGB ")),
            exif: Some(camera(little)),
            xmp: Some(xmp.clone()),
            dpi: Some([300.0, 150.0]),
            ..Metadata::default()
        };
        for (from, from_name) in FORMATS {
            let once = saved(&folder, &picture, from);
            for (to, to_name) in FORMATS {
                let metadata = saved(&folder, &once, to).metadata;
                let pair = format!("{from_name} to {to_name}");
                assert_eq!(metadata.icc_profile, picture.metadata.icc_profile, "{pair}");
                assert_eq!(metadata.xmp.as_ref(), Some(&xmp), "{pair}");
                let block = metadata.exif.unwrap_or_else(|| panic!("{pair}: no EXIF"));
                let holds = |part: &[u8]| block.windows(part.len()).any(|bytes| bytes == part);
                assert!(holds(b"Camera\0"), "{pair}");
                let exposure = [[1, 0, 0, 0, 250, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 250]];
                assert!(exposure.iter().any(|value| holds(value)), "{pair}");
                let dpi = metadata
                    .dpi
                    .unwrap_or_else(|| panic!("{pair}: no resolution"));
                assert!((dpi[0] - 300.0).abs() < 0.1, "{pair}: {dpi:?}");
                assert!((dpi[1] - 150.0).abs() < 0.1, "{pair}: {dpi:?}");
            }
        }
    }
}

#[test]
fn a_resolution_without_exif_survives_too() {
    let folder = Folder::new();
    let mut picture = noise_picture(4, 4, 1);
    picture.metadata.dpi = Some([72.0, 96.0]);
    for (format, name) in FORMATS {
        let dpi = saved(&folder, &picture, format).metadata.dpi;
        let dpi = dpi.unwrap_or_else(|| panic!("{name}"));
        assert!(
            (dpi[0] - 72.0).abs() < 0.02 && (dpi[1] - 96.0).abs() < 0.02,
            "{name}: {dpi:?}"
        );
    }
}

#[test]
fn the_orientation_is_applied_once() {
    let folder = Folder::new();
    let mut picture = noise_picture(8, 4, 1);
    picture.metadata.exif = Some(exif(6));
    for (format, name) in FORMATS {
        if format == OutputFormat::Tiff {
            // Its orientation is a tag of its own.
            continue;
        }
        let turned = saved(&folder, &picture, format);
        assert_eq!((turned.width, turned.height), (4, 8), "{name}");
        assert_eq!(turned.metadata.exif, Some(exif(1)), "{name}");
        let again = saved(&folder, &turned, format);
        assert_eq!((again.width, again.height), (4, 8), "{name}");
    }
}

#[test]
fn sixteen_bits_and_gray_survive_where_there_is_room() {
    let folder = Folder::new();
    let wide = |count: usize| {
        let [high, low] = [noise(count, 1), noise(count, 2)];
        let pairs = high.iter().zip(&low);
        pairs
            .map(|(&h, &l)| u16::from_be_bytes([h, l]))
            .collect::<Vec<u16>>()
    };
    let colour = Picture::with_samples(7, 5, wide(105).into());
    let gray = colour.clone().into_gray();
    for mut picture in [colour, gray] {
        for alpha in [None, Some(wide(35).into())] {
            picture.alpha = alpha;
            for format in [OutputFormat::Png, OutputFormat::Tiff] {
                assert_eq!(saved(&folder, &picture, format), picture, "{format}");
                assert_eq!(format.losses(&picture), [""; 0]);
            }
            let rounded = saved(&folder, &picture, OutputFormat::WebP);
            assert_eq!(rounded.rgb8(), picture.rgb8());
            assert_eq!(OutputFormat::WebP.losses(&picture).len(), 1);
        }
    }
}

#[test]
fn a_gray_profile_does_not_end_up_in_a_colour_file() {
    let folder = Folder::new();
    let path = "tests/data/pictures/gray_icc.png";
    let gray = Picture::open(path.as_ref()).unwrap();
    let losses = OutputFormat::WebP.losses(&gray);
    assert!(losses[0].contains("became sRGB"), "{losses:?}");
    let webp = saved(&folder, &gray, OutputFormat::WebP);
    assert_eq!(webp.metadata.icc_profile, None);
    assert!(webp.is_neutral());
    for format in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::Tiff] {
        let kept = saved(&folder, &gray, format);
        assert!(kept.gray && kept.metadata.icc_profile == gray.metadata.icc_profile);
        assert_eq!(format.losses(&gray), [""; 0]);
    }
}

#[test]
fn stripping_converts_the_colours_that_the_profile_described() {
    let path = "tests/data/pictures/png_gama_linear.png";
    let mut picture = Picture::open(path.as_ref()).unwrap();
    let before = picture.rgb8().into_owned();
    assert!(picture.strip().unwrap());
    assert_eq!(picture.metadata, Metadata::default());
    // Linear light as sRGB: 0.5 is 188 of 255.
    for (&linear, &found) in before.iter().zip(&*picture.rgb8()) {
        let linear = f64::from(linear) / 255.0;
        let curve = 1.055 * linear.powf(1.0 / 2.4) - 0.055;
        let expected = if linear < 0.003_130_8 {
            12.92 * linear
        } else {
            curve
        };
        let difference = (expected * 255.0 - f64::from(found)).abs();
        assert!(difference < 2.0, "{linear}: {found}");
    }

    let mut unusable = noise_picture(2, 2, 1);
    unusable.metadata.icc_profile = Some(profile(b"RGB "));
    let before = unusable.rgb.clone();
    assert!(!unusable.strip().unwrap());
    assert_eq!(unusable.rgb, before);
}

/// A block of a GIF file that its readers may skip.
fn gif_extension(label: u8, parts: &[&[u8]]) -> Vec<u8> {
    let parts = parts.iter().flat_map(|part| part.chunks(255));
    let blocks = parts.map(|part| [&[part.len() as u8], part].concat());
    [
        vec![0x21, label],
        blocks.collect::<Vec<_>>().concat(),
        vec![0],
    ]
    .concat()
}

/// XMP as GIF files hold it: as it is, and then bytes that lead those who take it for
/// blocks to the end.
fn gif_xmp(packet: &[u8]) -> Vec<u8> {
    let lead_out = (0..=255).rev();
    let start = b"\x21\xff\x0bXMP DataXMP";
    let bytes = start.iter().chain(packet).copied().chain([1]);
    bytes.chain(lead_out).chain([0]).collect()
}

#[test]
fn gif_files_hold_a_profile_xmp_and_comments() {
    let folder = Folder::new();
    let (profile, packet) = (profile(b"RGB "), b"<x:xmpmeta/>".repeat(40));
    // A table of two colours, and images of one pixel.
    let header = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let image = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let extensions = [
        gif_extension(0xfe, &[b"first"]),
        gif_extension(0xff, &[b"ICCRGBG1012", &profile]),
        gif_xmp(&packet),
        gif_extension(0xfe, &[&[b'c'; 600]]),
        gif_extension(0xfe, &[]),
    ];
    let extensions = extensions.concat();
    let one = [&header[..], &extensions, image, b"\x3b"].concat();
    let two = [&header[..], &extensions, image, image, b"\x3b"].concat();
    let expected = Metadata {
        icc_profile: Some(profile),
        xmp: Some(packet),
        comments: vec![b"first".to_vec(), vec![b'c'; 600]],
        ..Metadata::default()
    };
    let decode = |name: &str, frame| {
        let options = DecodeOptions {
            frame,
            ..DecodeOptions::default()
        };
        decode(&folder.path(name), &options).unwrap()
    };
    folder.write("one.gif", &one);
    folder.write("two.gif", &two);
    for (name, frame) in [("one.gif", None), ("two.gif", None), ("two.gif", Some(1))] {
        let decoded = decode(name, frame);
        assert_eq!(decoded.picture.metadata, expected, "{name} {frame:?}");
    }
    // Cut off inside the second comment.
    let at = one.windows(9).position(|part| part == [b'c'; 9]).unwrap();
    folder.write("cut.gif", &one[..at + 5]);
    assert!(Picture::open(&folder.path("cut.gif")).is_err());
}

#[test]
fn a_comment_of_a_gif_file_that_is_too_long_is_told() {
    let folder = Folder::new();
    let header = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let image = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b";
    let comment = gif_extension(0xfe, &[&vec![b'c'; (16 << 20) + 1]]);
    let path = folder.write("long.gif", [&header[..], &comment, image].concat());
    let decoded = decode(&path, &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.picture.metadata, Metadata::default());
    let told = "its comment has more than 16 MB and was left out";
    assert_eq!(decoded.notes, [told]);
}

/// EXIF of a camera that is set to Adobe RGB, or to another space by these rules.
fn rules(space: u8, name: &[u8; 4]) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    block.extend(b"\x02\0\x01\xa0\x03\0\x01\0\0\0");
    block.extend([space, space, 0, 0]);
    block.extend(b"\x05\xa0\x04\0\x01\0\0\0\x38\0\0\0\0\0\0\0");
    block.extend(b"\x01\0\x01\0\x02\0\x04\0\0\0");
    block.extend(name);
    block.extend([0; 4]);
    block
}

#[test]
fn adobe_rgb_of_cameras_becomes_a_profile() {
    let folder = Folder::new();
    let green = Picture::new(4, 4, [0, 255, 0].repeat(16));
    for (format, name) in FORMATS {
        let read = |exif, icc_profile| {
            let mut picture = green.clone();
            (picture.metadata.exif, picture.metadata.icc_profile) = (Some(exif), icc_profile);
            let path = folder.path("adobe");
            let options = EncodeOptions::default();
            picture.save(&path, format, &options, true).unwrap();
            decode(&path, &DecodeOptions::default()).unwrap()
        };
        for block in [rules(1, b"R98\0"), rules(255, b"R98\0")] {
            assert_eq!(
                read(block, None).picture.metadata.icc_profile,
                None,
                "{name}"
            );
        }
        let decoded = read(rules(255, b"R03\0"), None);
        assert_eq!(decoded.notes.len(), 1, "{name}");
        let mut picture = decoded.picture;
        // The time of the run is not in it.
        let made = &picture.metadata.icc_profile.as_ref().unwrap()[24..36];
        assert_eq!(made, [7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0], "{name}");
        // A profile that is there counts.
        let own = Some(profile(b"RGB "));
        let again = read(rules(255, b"R03\0"), own.clone());
        assert_eq!(again.picture.metadata.icc_profile, own, "{name}");
        // What sRGB makes of a colour that both have.
        picture.rgb = [150u8, 170, 90].repeat(16).into();
        assert!(picture.strip().unwrap());
        let found = picture.rgb8()[..3].to_vec();
        for (found, expected) in found.iter().zip([142, 172, 84]) {
            assert!(found.abs_diff(expected) <= 2, "{name}: {found:?}");
        }
    }
    // Colours that a file states in its own way.
    let mut picture = green.clone();
    picture.metadata.exif = Some(rules(255, b"R03\0"));
    let png = picture
        .encode(OutputFormat::Png, &EncodeOptions::default())
        .unwrap();
    let path = folder.write("srgb.png", with_chunk(&png, b"sRGB", &[0]));
    assert_eq!(Picture::open(&path).unwrap().metadata.icc_profile, None);
}
