//! Images as planes: padding by reflection, and cropping and rounding back.

use super::noise_picture;
use srdiff::image::{Picture, picture_from_planes, planes_padded};

/// An image whose red is its column and green its row.
fn coordinates(width: usize, height: usize) -> Picture {
    let rows = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]));
    Picture::new(width, height, rows.collect())
}

/// The bytes that red has along the first row, and green along the first column.
fn columns_and_rows(planes: &[f32], width: usize) -> (Vec<u8>, Vec<u8>) {
    let (red, rest) = planes.split_at(planes.len() / 3);
    let green = &rest[..red.len()];
    let byte = |v: &f32| (v * 255.0).round() as u8;
    let columns = red[..width].iter().map(byte).collect();
    (columns, green.iter().step_by(width).map(byte).collect())
}

/// Values in [0, 1] to the results' range.
fn signed(planes: &[f32]) -> Vec<f32> {
    planes.iter().map(|v| 2.0 * v - 1.0).collect()
}

#[test]
fn padding_reflects_without_repeating_the_edge() {
    let planes = planes_padded(&coordinates(4, 3), 6, 4);
    assert_eq!(planes.len(), 3 * 24);
    let unit = |byte: u8| f32::from(byte) * (1.0 / 255.0);
    assert_eq!([planes[0], planes[24], planes[48]], [0.0, 0.0, unit(7)]);
    let [red, green] = [planes[6 + 2], planes[24 + 6 + 2]];
    assert_eq!([red, green], [unit(2), unit(1)]);
    let (columns, rows) = columns_and_rows(&planes, 6);
    assert_eq!(columns, [0, 1, 2, 3, 2, 1]);
    assert_eq!(rows, [0, 1, 2, 1]);
}

#[test]
fn padding_can_be_longer_than_the_image() {
    let (columns, rows) = columns_and_rows(&planes_padded(&coordinates(3, 2), 10, 5), 10);
    assert_eq!(columns, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]);
    assert_eq!(rows, [0, 1, 0, 1, 0]);
    let (columns, rows) = columns_and_rows(&planes_padded(&coordinates(1, 1), 4, 3), 4);
    assert_eq!((columns, rows), (vec![0; 4], vec![0; 3]));
}

#[test]
fn cropping_undoes_padding() {
    for (width, height, stride, padded) in [(1, 1, 8, 8), (5, 3, 5, 3), (7, 9, 16, 12)] {
        let picture = noise_picture(width, height, width);
        let mut planes = signed(&planes_padded(&picture, stride, padded));
        assert_eq!(picture_from_planes(&planes, stride, &picture, 1), picture);
        let changed = stride * (height - 1) + width - 1;
        planes[changed] += if planes[changed] > 0.0 { -0.01 } else { 0.01 };
        assert_ne!(picture_from_planes(&planes, stride, &picture, 1), picture);
    }
}

#[test]
fn results_are_rounded_to_the_nearest_byte_and_clamped() {
    let like = Picture::new(1, 1, vec![0; 3]);
    let byte = |v: f32| picture_from_planes(&[v; 3], 1, &like, 1).rgb;
    for (value, expected) in [
        (-1.0, 0),
        (-1.0 + 0.9 / 255.0, 0),
        (-1.0 + 1.1 / 255.0, 1),
        (1.0 - 1.1 / 255.0, 254),
        (1.0, 255),
        (-7.0, 0),
        (7.0, 255),
    ] {
        assert_eq!(byte(value), [expected; 3], "{value}");
    }
}

#[test]
fn a_gray_image_stays_gray_and_takes_the_mean() {
    let mut like = Picture::new(1, 1, vec![9; 3]);
    let planes = [-0.5, 0.0, 0.8];
    let mean = 127.5 * 1.1 + 0.5;
    assert_ne!(
        picture_from_planes(&planes, 1, &like, 1).rgb,
        [mean as u8; 3]
    );
    like.gray = true;
    let gray = picture_from_planes(&planes, 1, &like, 1);
    assert!(gray.gray);
    assert_eq!(gray.rgb, [mean as u8; 3]);
}

#[test]
fn alpha_and_profile_are_carried_over() {
    let mut like = coordinates(2, 2);
    like.alpha = Some(vec![255, 0, 255, 0]);
    like.icc_profile = Some(b"a profile".to_vec());
    let result = picture_from_planes(&[0.0; 3 * 4 * 6], 6, &like, 2);
    assert_eq!((result.width, result.height), (4, 4));
    assert_eq!(result.icc_profile, like.icc_profile);
    let alpha = result.alpha.unwrap();
    assert_eq!(alpha.len(), 16);
    for row in alpha.chunks(4) {
        assert!(row[0] > 240 && row[3] < 15 && row[1] > row[2], "{row:?}");
    }
}

#[test]
#[should_panic(expected = "pad: 5x5 to 4x8")]
fn padding_to_less_is_a_mistake() {
    planes_padded(&coordinates(5, 5), 4, 8);
}

#[test]
#[should_panic(expected = "crop: 8x8 from planes of 56")]
fn cropping_to_more_is_a_mistake() {
    picture_from_planes(&[0.0; 3 * 56], 8, &coordinates(4, 4), 2);
}

#[test]
fn gray_is_the_rounded_mean() {
    let picture = Picture::new(2, 2, vec![1, 2, 2, 255, 255, 255, 0, 0, 1, 10, 20, 31]);
    let gray = picture.into_gray();
    assert!(gray.gray);
    assert_eq!(gray.rgb, [2, 2, 2, 255, 255, 255, 0, 0, 0, 20, 20, 20]);
}
