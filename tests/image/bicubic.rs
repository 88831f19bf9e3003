//! Resizing against dense matrices, and against the model's enlargement.

use super::{noise, noise_picture, reference};
use serde::Deserialize;
use srdiff::image::bicubic::{resize, resize_u8};
use srdiff::ops::bicubic_taps;

#[derive(Deserialize)]
struct Resized {
    size: [usize; 2],
    channels: usize,
    new_size: [usize; 2],
    seed: usize,
    result: Vec<f64>,
}

impl Resized {
    fn input(&self) -> Vec<u8> {
        noise(self.size[0] * self.size[1] * self.channels, self.seed)
    }
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "numbers of samples differ");
    std::iter::zip(a, b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

#[test]
fn resizing_agrees_with_the_reference() {
    let cases: Vec<Resized> = reference("resized");
    assert!(cases.len() > 40, "only {} cases", cases.len());
    for case in &cases {
        let ours = resize(&case.input(), case.size, case.channels, case.new_size).unwrap();
        let error = largest_difference(&ours, &case.result);
        assert!(
            error < 2e-9, // the reference has nine decimals
            "{:?} to {:?}: off by {error}",
            case.size,
            case.new_size
        );
        let rounded: Vec<u8> = case
            .result
            .iter()
            .map(|value| value.round() as u8)
            .collect();
        let ours = resize_u8(&case.input(), case.size, case.channels, case.new_size).unwrap();
        assert_eq!(ours, rounded, "{:?} to {:?}", case.size, case.new_size);
    }
}

#[test]
fn a_wrong_sample_is_noticed() {
    let cases: Vec<Resized> = reference("resized");
    for case in &cases {
        let mut input = case.input();
        let middle = input.len() / 2;
        input[middle] ^= 1;
        let ours = resize(&input, case.size, case.channels, case.new_size).unwrap();
        assert!(
            largest_difference(&ours, &case.result) > 1e-5,
            "{:?}",
            case.size
        );
    }
}

#[test]
fn columns_are_resized_as_rows_are() {
    for (length, new_length) in [(1, 8), (7, 21), (13, 3), (65, 8)] {
        let samples = noise(length, 4);
        let row = resize(&samples, [length, 1], 1, [new_length, 1]).unwrap();
        let column = resize(&samples, [1, length], 1, [1, new_length]).unwrap();
        assert_eq!(row, column, "{length} to {new_length}");
    }
}

#[test]
fn enlarging_agrees_with_the_taps_of_the_model() {
    for factor in [2, 3, 4, 8] {
        let taps = bicubic_taps(factor);
        for length in [1, 2, 3, 7, 13, 65] {
            let samples = noise(length, factor);
            let ours = resize(&samples, [length, 1], 1, [factor * length, 1]).unwrap();
            let theirs: Vec<f64> = (0..factor * length)
                .map(|i| {
                    let (weights, first) = taps[i % factor];
                    let start = (i / factor) as isize + first;
                    (start..)
                        .zip(weights)
                        .map(|(j, weight)| {
                            let j = j.rem_euclid(2 * length as isize) as usize;
                            f64::from(weight) * f64::from(samples[j.min(2 * length - 1 - j)])
                        })
                        .sum()
                })
                .collect();
            let error = largest_difference(&ours, &theirs);
            assert!(error < 1e-4, "{length} times {factor}: off by {error}"); // weights in f32
        }
    }
}

#[test]
fn a_flat_plane_stays_flat_and_an_unchanged_size_changes_nothing() {
    for new_size in [[1, 1], [3, 2], [5, 7], [40, 56], [23, 1]] {
        let resized = resize_u8(&[77; 5 * 7], [5, 7], 1, new_size).unwrap();
        assert_eq!(resized, vec![77; new_size[0] * new_size[1]]);
    }
    let samples = noise(3 * 5 * 7, 1);
    assert_eq!(resize_u8(&samples, [5, 7], 3, [5, 7]).unwrap(), samples);
}

#[test]
fn overshoot_is_clamped_and_opacity_comes_along() {
    let mut picture = noise_picture(2, 1, 0);
    picture.rgb = vec![0u8, 0, 0, 255, 255, 255].into();
    picture.alpha = Some(vec![255u8, 0].into());
    let large = picture.resized(8, 4).unwrap();
    assert_eq!((large.width, large.height), (8, 4));
    let gray: Vec<u8> = large.rgb8()[..24].iter().step_by(3).copied().collect();
    assert_eq!((gray[0], gray[7]), (0, 255));
    assert!(gray.is_sorted(), "{gray:?}");
    let alpha = large.alpha.unwrap().to_u8().into_owned();
    assert_eq!((alpha[0], alpha[7], alpha.len()), (255, 0, 32));
}
