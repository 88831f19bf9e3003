//! Kinds of TIFF files.

use super::files::{Folder, LONG, SHORT, Tag, message, page, tiff_pages};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use srdiff::image::{DecodeOptions, Decoded, Picture, Samples, decode};
use std::io::Write;

type Tags = Vec<Tag>;

fn read(tags: Tags, data: &[u8]) -> Decoded {
    let folder = Folder::new();
    let path = folder.write("page.tif", tiff_pages(&[(&tags, data)]));
    decode(&path, &DecodeOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(tags: Tags, data: &[u8]) -> String {
    let folder = Folder::new();
    let path = folder.write("page.tif", tiff_pages(&[(&tags, data)]));
    message(Picture::open(&path), &path)
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// One sample of each gray pixel.
fn gray(picture: &Picture) -> Vec<u16> {
    assert!(picture.gray);
    let samples = picture.rgb.to_u16();
    samples.iter().step_by(3).copied().collect()
}

fn float(bits: u32, width: u32) -> Tags {
    let mut tags = page([width, 1], [bits, 1], 1, 1);
    tags.push((339, SHORT, vec![3]));
    tags
}

#[test]
fn floats_become_16_bits() {
    let expected = [0, 16_384, 65_535];
    let values = [0.0f32, 0.25, 1.0];
    let f32s: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let f64s: Vec<u8> = values
        .iter()
        .flat_map(|&v| f64::from(v).to_le_bytes())
        .collect();
    let f16s: Vec<u8> = values
        .iter()
        .flat_map(|&v| half::f16::from_f32(v).to_le_bytes())
        .collect();
    for (bits, data) in [(16, f16s), (32, f32s), (64, f64s)] {
        let decoded = read(float(bits, 3), &data);
        assert_eq!(gray(&decoded.picture), expected, "{bits} bits");
        assert_eq!(decoded.notes.len(), 1, "{:?}", decoded.notes);
    }
}

#[test]
fn floats_outside_of_black_and_white_are_told() {
    let data: Vec<u8> = [-0.5f32, 0.5, 3.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let decoded = read(float(32, 3), &data);
    assert_eq!(gray(&decoded.picture), [0, 32_768, 65_535]);
    let note = "2 of its 3 samples are outside of 0 to 1 (from -0.5 to 3) and were clamped";
    assert_eq!(decoded.notes[1], note);

    let data: Vec<u8> = [0.5, f32::NAN]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let expected = "uses samples that are no numbers (NaN) in TIFF, which cannot be read; save it as an ordinary 8-bit or 16-bit PNG";
    assert_eq!(refusal(float(32, 2), &data), expected);
}

#[test]
fn the_predictor_of_floats_is_undone() {
    let values = [0.5f32, 0.25, 0.75, 1.0];
    // The top bytes of all, then the next ones, and differences between them.
    let mut bytes: Vec<u8> = (0..4)
        .flat_map(|byte| values.map(|v| v.to_be_bytes()[byte]))
        .collect();
    for i in (1..bytes.len()).rev() {
        bytes[i] = bytes[i].wrapping_sub(bytes[i - 1]);
    }
    let mut tags = float(32, 4);
    tags[3].2 = vec![8];
    tags.push((317, SHORT, vec![3]));
    let decoded = read(tags, &deflated(&bytes));
    assert_eq!(gray(&decoded.picture), [32_768, 16_384, 49_151, 65_535]);
}

#[test]
fn chroma_is_shared_by_neighbours() {
    // Two blocks of 2x2 for 3x2 pixels: luma, then blue and red differences.
    let blocks = [[10, 20, 30, 40, 128, 128], [50, 0, 60, 0, 128, 178]];
    let mut tags = page([3, 2], [8, 3], 1, 6);
    tags.push((530, SHORT, vec![2, 2]));
    let picture = read(tags.clone(), blocks.as_flattened()).picture;
    let red = |y: i32| [y + 70, y - 36, y].map(|v| v.clamp(0, 255) as u8);
    let expected = [[10; 3], [20; 3], red(50), [30; 3], [40; 3], red(60)];
    assert_eq!(&picture.rgb8()[..], expected.as_flattened());

    // The same, each in a strip of its own.
    tags.push((284, SHORT, vec![2]));
    let planes = [10, 20, 50, 30, 40, 60, 128, 128, 128, 178];
    let mut bytes = tiff_pages(&[(&tags, &planes)]);
    // Three strips where the writer knows one: offsets and lengths at the end.
    let start = bytes
        .windows(planes.len())
        .position(|w| w == planes)
        .unwrap() as u32;
    for (tag, values) in [(273u16, [start, start + 6, start + 8]), (279, [6, 2, 2])] {
        let at = 10
            + 12 * (0..)
                .find(|i| bytes[10 + 12 * i..][..2] == tag.to_le_bytes())
                .unwrap();
        let place = bytes.len() as u32;
        bytes[at + 4..at + 8].copy_from_slice(&3u32.to_le_bytes());
        bytes[at + 8..at + 12].copy_from_slice(&place.to_le_bytes());
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    let folder = Folder::new();
    let picture = Picture::open(&folder.write("planar.tif", bytes)).unwrap();
    assert_eq!(&picture.rgb8()[..], expected.as_flattened());
}

/// Under D50, as Bruce Lindbloom's calculator gives them.
#[test]
fn lab_becomes_srgb() {
    let colors = [
        ([100.0, 0.0, 0.0], [255, 255, 255]),
        ([54.29, 80.80, 69.89], [255, 0, 0]),
        ([87.82, -79.27, 80.99], [0, 255, 0]),
        ([29.57, 68.29, -112.03], [0, 0, 255]),
        ([53.39, 0.0, 0.0], [127, 127, 127]),
    ];
    for (photometric, white, middle) in [(8u32, 65_535.0, 0.0), (9, 65_280.0, 32_768.0)] {
        let samples = colors.iter().flat_map(|([l, a, b], _)| {
            let chroma = |v: f64| (v * 256.0 + middle).round() as i32 as u16;
            [
                (l / 100.0f64 * white).round() as u16,
                chroma(*a),
                chroma(*b),
            ]
        });
        let wide: Vec<u8> = samples.flat_map(u16::to_le_bytes).collect();
        let narrow: Vec<u8> = (colors.iter())
            .flat_map(|([l, a, b], _)| {
                let chroma = |v: f64| (v + middle / 256.0).round() as i32 as u8;
                [(l / 100.0 * 255.0f64).round() as u8, chroma(*a), chroma(*b)]
            })
            .collect();
        for (bits, data, tolerance) in [(16, wide, 1), (8, narrow, 10)] {
            let decoded = read(page([5, 1], [bits, 3], 1, photometric), &data);
            assert_eq!(decoded.picture.rgb.bits(), bits);
            assert_eq!(decoded.notes, ["CIE L*a*b*, converted to sRGB"]);
            let found = decoded.picture.rgb8();
            for (found, (_, expected)) in found.chunks(3).zip(colors) {
                let near = found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| a.abs_diff(b) <= tolerance);
                assert!(
                    near,
                    "{bits} bits, {photometric}: {found:?} for {expected:?}"
                );
            }
        }
    }
}

/// The profile of a JPEG file of one segment or more.
fn cmyk_profile() -> Vec<u8> {
    let bytes = std::fs::read("tests/data/pictures/jpeg_cmyk_icc.jpg").unwrap();
    let (mut at, mut profile) = (2, Vec::new());
    while bytes[at + 1] != 0xda {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let segment = &bytes[at + 4..at + 2 + length];
        if let Some(part) = segment.strip_prefix(b"ICC_PROFILE\0") {
            profile.extend(&part[2..]);
        }
        at += 2 + length;
    }
    profile
}

#[test]
fn cmyk_keeps_its_16_bits() {
    let ink: [u8; 16] = [0, 0, 0, 0, 255, 0, 0, 0, 20, 120, 220, 30, 90, 60, 10, 200];
    let wide: Vec<u8> = ink.iter().flat_map(|&v| [v, v]).collect();
    let profile = cmyk_profile();
    assert!(profile.len() > 1000);
    let profile: Vec<u32> = profile
        .chunks(4)
        .map(|c| {
            (0..4).fold(0, |word, i| {
                word | u32::from(*c.get(i).unwrap_or(&0)) << (8 * i)
            })
        })
        .collect();
    for with_profile in [false, true] {
        let tags = |bits| {
            let mut tags = page([4, 1], [bits, 4], 1, 5);
            if with_profile {
                tags.push((34_675, LONG, profile.clone()));
            }
            tags
        };
        let [narrow, wide] = [read(tags(8), &ink), read(tags(16), &wide)];
        assert_eq!(wide.picture.rgb.bits(), 16);
        assert_eq!(narrow.notes, wide.notes);
        assert_eq!(
            wide.notes[0].contains("through its colour profile"),
            with_profile
        );
        for (a, b) in narrow.picture.rgb8().iter().zip(&*wide.picture.rgb8()) {
            assert!(a.abs_diff(*b) <= 2, "{narrow:?} {wide:?}");
        }
    }
    // A step that 8 bits do not have.
    let fine = |ink: u16| {
        let mut data = ink.to_le_bytes().to_vec();
        data.extend([0; 6]);
        let picture = read(page([1, 1], [16, 4], 1, 5), &data).picture;
        let Samples::U16(samples) = picture.rgb else {
            panic!("8 bits")
        };
        samples[0]
    };
    assert_eq!([fine(1000), fine(1001)], [64_535, 64_534]);
}

/// The pixels of a fax of 16x3: white is 255.
fn fax(compression: u32, options: u32, bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|b| b"01".contains(b)).collect();
    let data: Vec<u8> = bits
        .chunks(8)
        .map(|byte| (0..8).fold(0, |v, i| v << 1 | (*byte.get(i).unwrap_or(&b'0') - b'0')))
        .collect();
    let mut tags = page([16, 3], [1, 1], compression, 0);
    tags.push((292, LONG, vec![options]));
    let picture = read(tags, &data).picture;
    picture.rgb8().iter().step_by(3).copied().collect()
}

#[test]
fn faxes_are_read_whatever_marks_their_lines() {
    let mut expected = vec![255; 48];
    expected[4..8].fill(0);
    expected[16 + 4..16 + 8].fill(0);
    // White 4, black 4, white 8; the codes are in ITU-T T.4.
    let line = "1011 011 10011";
    let blank = "101010";
    let aligned = format!("{line} 0000 {line} 0000 {blank}");
    assert_eq!(fax(2, 0, &aligned), expected);
    let end = "000000000001";
    let marked = format!("{end}{line}{end}{line}{end}{blank}");
    assert_eq!(fax(3, 0, &marked), expected);
    // The second is the same as the first; the third passes over what is black.
    let two_dimensional = format!("{end}1{line} {end}0 111 {end}0 0001 1");
    assert_eq!(fax(3, 1, &two_dimensional), expected);
    // Black 16 from the first pixel on, and the line below starts one later.
    let from_start = format!("{end}1 00110101 0000010111 {end}0 011 1 {end}1{blank}");
    let mut expected = vec![0; 32];
    expected[16] = 255;
    expected.extend([255; 16]);
    assert_eq!(fax(3, 1, &from_start), expected);
}

#[test]
fn what_a_fax_lacks_is_told() {
    let tags = page([16, 3], [1, 1], 2, 0);
    let text = refusal(tags, &[0b1011_0111]);
    assert!(text.starts_with("is truncated or damaged ("), "{text}");
}

/// A tile of `side` x `side` in a picture of 2x1.
fn tiled(side: u32, [bits, samples]: [u32; 2], compression: u32, colors: u32) -> Tags {
    let mut tags = page([2, 1], [bits, samples], compression, colors);
    tags.extend([(322, LONG, vec![side]), (323, LONG, vec![side])]);
    tags
}

#[test]
fn absurd_tiles_are_refused() {
    let deflate = deflated(&[7; 256]);
    let data = &[7; 256][..];
    for (compression, data) in [(1, data), (5, data), (8, &deflate), (32_773, data)] {
        let tags = |side| tiled(side, [8, 1], compression, 1);
        let text = refusal(tags(1 << 24), data);
        assert!(
            text.starts_with("needs more memory"),
            "{compression}: {text}"
        );
        if matches!(compression, 1 | 8) {
            assert_eq!(read(tags(16), data).picture.rgb8()[..], [7; 6]);
        }
    }
    for compression in [2, 3, 4] {
        let text = refusal(tiled(1 << 24, [1, 1], compression, 1), data);
        assert!(
            text.starts_with("needs more memory"),
            "{compression}: {text}"
        );
    }
}

/// It would be decoded whole for the corner that is used.
#[test]
fn jpeg_streams_larger_than_their_tile_are_refused() {
    let [fits, larger] = [64, 128].map(|side| super::files::jpeg([side, side], None));
    let tags = tiled(64, [8, 3], 7, 6);
    assert_eq!(read(tags.clone(), &fits).picture.width, 2);
    let text = refusal(tags, &larger);
    assert!(
        text.contains("1 of its 1 tiles are cut off or damaged"),
        "{text}"
    );
}

/// libtiff refuses it, too; taken as they are stored, its samples are no RGB.
#[test]
fn jpeg_streams_of_luma_and_chroma_are_not_taken_for_other_colours() {
    let stream = std::fs::read("tests/data/pictures/jpeg_non_interleaved_420.jpg").unwrap();
    let picture = read(tiled(64, [8, 3], 7, 6), &stream).picture;
    let whole = Picture::open("tests/data/pictures/jpeg_non_interleaved_420.jpg".as_ref());
    assert_eq!(picture.rgb8()[..6], whole.unwrap().rgb8()[..6]);
    let text = refusal(tiled(64, [8, 3], 7, 2), &stream);
    assert!(text.contains("subsampled JPEG coding"), "{text}");
}
