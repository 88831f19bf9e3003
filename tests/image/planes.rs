//! Pictures to planes of reals and back.

use super::noise_picture;
use srdiff::image::{
    Border, Colors, Enlargement, Metadata, Picture, Planes, Samples, picture_from_planes,
};

/// Pixels whose red is their column and green their row.
fn coordinates(width: usize, height: usize) -> Picture {
    let rows = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]));
    Picture::new(width, height, rows.collect())
}

/// The planes of a window that begins with the picture.
fn planes_padded(picture: &Picture, width: usize, height: usize) -> Vec<f32> {
    Colors::new(picture, Border::Reflected)
        .unwrap()
        .window([0, 0], [width, height])
        .unwrap()
}

/// The first row of red and the first column of green, as bytes.
fn columns_and_rows(planes: &[f32], width: usize) -> (Vec<u8>, Vec<u8>) {
    let size = planes.len() / 3;
    let byte = |value: &f32| (value * 255.0).round() as u8;
    let columns = planes[..width].iter().map(byte).collect();
    let rows = planes[size..2 * size].iter().step_by(width);
    (columns, rows.map(byte).collect())
}

/// Planes of [0, 1] as those of [-1, 1].
fn signed(planes: &[f32]) -> Vec<f32> {
    planes.iter().map(|value| 2.0 * value - 1.0).collect()
}

#[test]
fn padding_reflects_and_repeats_the_edge() {
    let planes = planes_padded(&coordinates(4, 3), 6, 4);
    assert_eq!(planes.len(), 72);
    assert_eq!(planes[48], 7.0 * (1.0 / 255.0));
    let (columns, rows) = columns_and_rows(&planes, 6);
    assert_eq!(columns, [0, 1, 2, 3, 3, 2]);
    assert_eq!(rows, [0, 1, 2, 2]);
}

#[test]
fn padding_can_be_longer_than_the_picture() {
    let (columns, rows) = columns_and_rows(&planes_padded(&coordinates(3, 2), 10, 5), 10);
    assert_eq!(columns, [0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
    assert_eq!(rows, [0, 1, 1, 0, 0]);
    let (columns, rows) = columns_and_rows(&planes_padded(&coordinates(1, 1), 4, 3), 4);
    assert_eq!((columns, rows), (vec![0; 4], vec![0; 3]));
}

#[test]
fn windows_reach_beyond_every_edge() {
    let picture = coordinates(3, 2);
    let window = |border| {
        let planes = Colors::new(&picture, border)
            .unwrap()
            .window([-2, -1], [7, 4])
            .unwrap();
        columns_and_rows(&planes, 7)
    };
    let reflected = (vec![1, 0, 0, 1, 2, 2, 1], vec![0, 0, 1, 1]);
    assert_eq!(window(Border::Reflected), reflected);
    let wrapped = (vec![1, 2, 0, 1, 2, 0, 1], vec![1, 0, 1, 0]);
    assert_eq!(window(Border::Wrapped), wrapped);
}

#[test]
#[should_panic(expected = "crop: 8x8 from 168 values in rows of 8")]
fn cropping_to_more_is_a_mistake() {
    picture_from_planes(&[0.0; 3 * 56], 8, &coordinates(4, 4), 2).unwrap();
}

#[test]
fn results_are_rounded_to_the_nearest_level() {
    let narrow = Picture::new(1, 1, vec![0, 0, 1]);
    let wide = Picture::with_samples(1, 1, vec![0u16, 0, 1].into());
    for (like, largest) in [(&narrow, 255.0), (&wide, 65_535.0)] {
        let level = |v: f32| picture_from_planes(&[v; 3], 1, like, 1).unwrap().rgb;
        let bits = like.rgb.bits();
        let expected = |v: u16| match bits {
            8 => vec![v as u8; 3].into(),
            _ => vec![v; 3].into(),
        };
        let top = largest as u16;
        for (value, level_of_it) in [
            (-1.0 + 0.8 / largest, 0),
            (-1.0 + 1.2 / largest, 1),
            (1.0 - 1.2 / largest, top - 1),
            (1.0 - 0.8 / largest, top),
            (-7.0, 0),
            (7.0, top),
        ] {
            assert_eq!(level(value), expected(level_of_it), "{value}, {bits} bits");
        }
    }
}

#[test]
fn a_picture_comes_back_at_both_depths() {
    for (width, height, stride, padded) in [(1, 1, 8, 8), (5, 3, 5, 3), (7, 9, 16, 12)] {
        let narrow = noise_picture(width, height, width);
        let bytes = narrow.rgb8();
        let wide = Samples::U16(bytes.iter().map(|&v| u16::from(v) * 255 + 99).collect());
        let wide = Picture::with_samples(width, height, wide);
        for picture in [narrow.clone(), wide] {
            let planes = signed(&planes_padded(&picture, stride, padded));
            assert_eq!(
                picture_from_planes(&planes, stride, &picture, 1).unwrap(),
                picture
            );
            let mut wrong = planes;
            wrong[stride * (height - 1) + width - 1] += 0.05;
            assert_ne!(
                picture_from_planes(&wrong, stride, &picture, 1).unwrap(),
                picture
            );
        }
    }
}

#[test]
fn values_are_clamped_and_rounded() {
    let like = Picture::new(2, 1, vec![1, 2, 3, 4, 5, 6]);
    let planes = [-3.0, -1.0, 0.0, 1.0, 0.998, 3.0];
    let result = picture_from_planes(&planes, 2, &like, 1).unwrap();
    assert_eq!(result.rgb8()[..], [0, 128, 255, 0, 255, 255]);
}

#[test]
fn gray_and_neutral_pictures_stay_without_colour() {
    let levels = |pixel: &[u8]| pixel.iter().flat_map(|&v| [v; 3]).collect();
    let neutral = Picture::new(2, 1, levels(&[10, 90]));
    let gray = Picture {
        gray: true,
        ..neutral.clone()
    };
    // Reddish planes: the mean of the three counts.
    let planes = [1.0, 0.2, 0.0, 0.2, -1.0, -0.4];
    for like in [neutral, gray] {
        let result = picture_from_planes(&planes, 2, &like, 1).unwrap();
        assert_eq!(result.rgb8()[..], [128, 128, 128, 128, 128, 128]);
        assert_eq!(result.gray, like.gray);
    }
    let coloured = Picture::new(2, 1, vec![10, 10, 11, 90, 90, 90]);
    assert!(
        !picture_from_planes(&planes, 2, &coloured, 1)
            .unwrap()
            .is_neutral()
    );
}

#[test]
fn opacity_is_enlarged_and_metadata_are_carried() {
    let mut like = noise_picture(3, 2, 1);
    like.alpha = Some(vec![200u16, 200, 200, 200, 200, 200].into());
    like.metadata = Metadata {
        icc_profile: Some(vec![1]),
        exif: Some(vec![2]),
        xmp: Some(vec![3]),
        dpi: Some([300.0, 150.0]),
        ..Metadata::default()
    };
    let result = picture_from_planes(&vec![0.0; 3 * 7 * 4], 7, &like, 2).unwrap();
    assert_eq!((result.width, result.height), (6, 4));
    assert_eq!(result.alpha, Some(vec![200u16; 24].into()));
    assert_eq!(result.metadata, like.metadata);
}

/// A white disc on transparent black, as sprites are often stored.
fn sprite(hidden: u8) -> Picture {
    let size = 24;
    let inside = |i: usize| {
        let [x, y] = [i % size, i / size].map(|v| v as f64 - 11.5);
        x.hypot(y) < 8.0
    };
    let pixels = (0..size * size).map(|i| if inside(i) { 255 } else { hidden });
    let alpha: Vec<u8> = (0..size * size)
        .map(|i| 255 * u8::from(inside(i)))
        .collect();
    let mut picture = Picture::new(size, size, pixels.flat_map(|v| [v; 3]).collect());
    picture.alpha = Some(alpha.into());
    picture
}

#[test]
fn hidden_colours_do_not_count() {
    for hidden in [0, 90, 255] {
        let planes = planes_padded(&sprite(hidden), 24, 24);
        assert!(planes.iter().all(|&value| value == 1.0), "{hidden}");
    }
}

/// In an image that wraps, those at the other side are neighbours.
#[test]
fn hidden_colours_are_filled_from_beyond_the_edge_of_an_image_that_wraps() {
    // Red and blue columns at the right; the left one is hidden.
    let colors = [[0, 0, 0], [0, 0, 0], [0, 0, 255], [0, 0, 255], [255, 0, 0]];
    let mut picture = Picture::new(5, 3, colors.concat().repeat(3));
    picture.alpha = Some([0u8, 0, 255, 255, 255].repeat(3).into());
    let first = |border| {
        let colors = Colors::new(&picture, border).unwrap();
        colors.window([0, 1], [1, 1]).unwrap()
    };
    assert_eq!(first(Border::Reflected), [0.0, 0.0, 1.0]);
    assert_eq!(first(Border::Wrapped), [1.0, 0.0, 0.0]);
}

#[test]
fn visible_colours_are_left_alone() {
    let mut picture = noise_picture(9, 7, 3);
    let alpha: Vec<u8> = (0..63).map(|i| [0, 16, 120, 255][i % 4]).collect();
    picture.alpha = Some(alpha.clone().into());
    let planes = planes_padded(&picture, 9, 7);
    let mut changed = 0;
    for (index, alpha) in alpha.iter().enumerate() {
        for channel in 0..3 {
            let own = f32::from(picture.rgb8()[3 * index + channel]) * (1.0 / 255.0);
            let found = planes[63 * channel + index];
            assert!(*alpha == 0 || found == own, "{index}");
            changed += usize::from(found != own);
        }
    }
    assert!(changed > 30);
}

#[test]
fn a_picture_that_is_wholly_transparent_keeps_its_colours() {
    let mut picture = noise_picture(4, 4, 5);
    let opaque = planes_padded(&picture, 4, 4);
    picture.alpha = Some(vec![0u8; 16].into());
    assert_eq!(planes_padded(&picture, 4, 4), opaque);
    // Faint all over: what little there is of it counts.
    picture.alpha = Some(vec![3u8; 16].into());
    assert_eq!(planes_padded(&picture, 4, 4), opaque);
}

#[test]
fn gray_is_the_rounded_mean() {
    let picture = Picture::new(2, 2, vec![1, 2, 2, 255, 255, 255, 0, 0, 1, 10, 20, 31]);
    let gray = picture.into_gray();
    assert!(gray.gray);
    assert_eq!(
        gray.rgb8()[..],
        [2, 2, 2, 255, 255, 255, 0, 0, 0, 20, 20, 20]
    );
}

#[test]
fn cropping_keeps_the_top_left() {
    let picture = Picture::new(5, 3, (0..45).collect());
    let part = picture.cropped(4, 2).unwrap();
    assert_eq!((part.width, part.height), (4, 2));
    assert_eq!(part.rgb8()[..12], picture.rgb8()[..12]);
    assert_eq!(part.rgb8()[12..], picture.rgb8()[15..27]);
}

/// Also where strips meet.
#[test]
fn opacity_is_enlarged_bicubically() {
    let mut picture = noise_picture(7, 6, 4);
    let alpha = noise_picture(7, 2, 9).rgb8().into_owned();
    picture.alpha = Some(alpha.into());
    let expected = picture.resized(28, 24).unwrap().alpha;
    let whole = picture_from_planes(&vec![0.0; 3 * 28 * 24], 28, &picture, 4).unwrap();
    assert_eq!(whole.alpha, expected);

    let enlargement = Enlargement::new(&picture, 4, Border::Reflected).unwrap();
    let mut alpha = Vec::new();
    for (y, rows) in [(0, 5), (5, 1), (6, 18)] {
        let values = vec![0.0; 3 * 28 * rows];
        let planes = Planes {
            values: &values,
            stride: 28,
            first: [0, 0],
        };
        let strip = enlargement.strip(y, rows, &planes).unwrap();
        alpha.extend_from_slice(&strip.alpha.unwrap().to_u8());
    }
    assert_eq!(Some(Samples::from(alpha)), expected);
}
