//! Padding by reflection and cropping back.

use super::noise_picture;
use srdiff::image::{Picture, pack_padded, unpack_cropped};

/// Pixels whose red is their column and green their row.
fn coordinates(width: usize, height: usize) -> Picture {
    let rows = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]));
    Picture::new(width, height, rows.collect())
}

fn columns_and_rows(pixels: &[u32], width: usize) -> (Vec<u8>, Vec<u8>) {
    let columns = pixels[..width].iter().map(|pixel| *pixel as u8).collect();
    let rows = pixels
        .iter()
        .step_by(width)
        .map(|pixel| (pixel >> 8) as u8)
        .collect();
    (columns, rows)
}

#[test]
fn padding_reflects_without_repeating_the_edge() {
    let pixels = pack_padded(&coordinates(4, 3), 6, 4);
    assert_eq!(pixels.len(), 24);
    assert_eq!(pixels[0], 0xff07_0000);
    assert_eq!(pixels[6 + 1], 0xff07_0101); // R is the lowest byte, A = 255
    let (columns, rows) = columns_and_rows(&pixels, 6);
    assert_eq!(columns, [0, 1, 2, 3, 2, 1]);
    assert_eq!(rows, [0, 1, 2, 1]);
}

#[test]
fn padding_can_be_longer_than_the_picture() {
    let (columns, rows) = columns_and_rows(&pack_padded(&coordinates(3, 2), 10, 5), 10);
    assert_eq!(columns, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]);
    assert_eq!(rows, [0, 1, 0, 1, 0]);
    let (columns, rows) = columns_and_rows(&pack_padded(&coordinates(1, 1), 4, 3), 4);
    assert_eq!((columns, rows), (vec![0; 4], vec![0; 3]));
}

#[test]
fn cropping_undoes_padding() {
    for (width, height, stride, padded) in [(1, 1, 8, 8), (5, 3, 5, 3), (7, 9, 16, 12)] {
        let picture = noise_picture(width, height, width);
        let pixels = pack_padded(&picture, stride, padded);
        assert_eq!(unpack_cropped(&pixels, stride, width, height), picture);
        let mut wrong = pixels;
        wrong[stride * (height - 1) + width - 1] ^= 1;
        assert_ne!(unpack_cropped(&wrong, stride, width, height), picture);
    }
}

#[test]
#[should_panic(expected = "pad: 5x5 to 4x8")]
fn padding_to_less_is_a_mistake() {
    pack_padded(&coordinates(5, 5), 4, 8);
}

#[test]
fn gray_is_the_rounded_mean() {
    let picture = Picture::new(2, 2, vec![1, 2, 2, 255, 255, 255, 0, 0, 1, 10, 20, 31]);
    let gray = picture.into_gray();
    assert!(gray.gray);
    assert_eq!(gray.rgb, [2, 2, 2, 255, 255, 255, 0, 0, 0, 20, 20, 20]);
}
