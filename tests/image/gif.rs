//! Screens, places and colours of GIF files.

use super::files::Folder;
use ::image::codecs::gif::GifEncoder;
use ::image::{Frame, Rgba, RgbaImage};
use srdiff::image::{DecodeOptions, Picture, decode, dimensions, frames};

/// Images of 4x3 pixels on a screen of another size.
fn gif(count: usize, screen: [u16; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    let image = RgbaImage::from_pixel(4, 3, Rgba([200, 0, 0, 255]));
    let frames = (0..count).map(|_| Frame::new(image.clone()));
    encoder.encode_frames(frames).unwrap();
    drop(encoder);
    bytes[6..10].copy_from_slice(screen.map(u16::to_le_bytes).as_flattened());
    bytes
}

#[test]
fn the_screen_is_large_enough_for_the_first_image() {
    let folder = Folder::new();
    for (screen, expected) in [
        ([0, 0], (4, 3)),
        ([2, 2], (4, 3)),
        ([8, 1], (8, 3)),
        ([8, 9], (8, 9)),
    ] {
        for count in [1, 2] {
            let path = folder.write("small.gif", gif(count, screen));
            assert_eq!(dimensions(&path).unwrap(), expected);
            let found = frames(&path, &DecodeOptions::default()).unwrap().list;
            assert_eq!(found.len(), count);
            assert_eq!((found[0].width, found[0].height), expected);
            for frame in [None, Some(0), Some(count - 1)] {
                let options = DecodeOptions {
                    frame,
                    ..DecodeOptions::default()
                };
                let picture = decode(&path, &options).unwrap().picture;
                assert_eq!((picture.width, picture.height), expected);
                let corner = 2 * picture.width + 3;
                assert_eq!(picture.rgb8()[3 * corner..][..3], [200, 0, 0]);
            }
        }
    }
}

#[test]
fn frames_are_gray_if_all_are() {
    let folder = Folder::new();
    for last in [[7, 7, 7], [7, 7, 8]] {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for [r, g, b] in [[200; 3], last] {
            let image = RgbaImage::from_pixel(4, 3, Rgba([r, g, b, 255]));
            encoder.encode_frame(Frame::new(image)).unwrap();
        }
        drop(encoder);
        let path = folder.write("gray.gif", bytes);
        for frame in [0, 1] {
            let options = DecodeOptions {
                frame: Some(frame),
                ..DecodeOptions::default()
            };
            let picture = decode(&path, &options).unwrap().picture;
            assert_eq!(picture.gray, last == [7; 3], "{frame} {last:?}");
        }
    }
}

#[test]
fn a_place_on_the_screen_counts() {
    let mut bytes = gif(1, [4, 3]);
    let image = bytes.iter().rposition(|&byte| byte == 0x2c);
    let image = image
        .filter(|&at| bytes[at + 5..at + 9] == [4, 0, 3, 0])
        .unwrap();
    bytes[image + 1] = 2;
    let folder = Folder::new();
    let picture = Picture::open(&folder.write("moved.gif", bytes)).unwrap();
    assert_eq!((picture.width, picture.height), (6, 3));
    assert_eq!(
        picture.alpha.unwrap().to_u8()[..6],
        [0, 0, 255, 255, 255, 255]
    );
}
