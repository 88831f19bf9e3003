//! SSIMULACRA2, pixel sigma, and scikit-image's numbers for the others.

use super::noise_picture;
use srdiff::image::Picture;
use srdiff::image::metrics::{MetricError, pixel_sigma, ssimulacra2};

#[test]
fn ssimulacra2_falls_with_damage() {
    let picture = noise_picture(40, 33, 1).resized(80, 66).unwrap();
    let blurred = picture.resized(40, 33).unwrap().resized(80, 66).unwrap();
    let coarse = picture.resized(20, 16).unwrap().resized(80, 66).unwrap();
    let score = |result: &Picture| ssimulacra2(result, &picture).unwrap();
    assert_eq!(score(&picture), 100.0);
    assert!(score(&blurred) < 99.0 && score(&coarse) < score(&blurred) - 5.0);
    let small = noise_picture(7, 40, 1);
    let error = ssimulacra2(&small, &small).unwrap_err().to_string();
    assert!(error.contains("at least 8 a side"), "{error}");
    assert!(ssimulacra2(&small, &picture).is_err());
}

#[test]
fn pixel_sigma_is_the_mean_deviation_of_a_sample() {
    let picture = |values: [u8; 6]| Picture::new(2, 1, values.to_vec());
    let three = [
        picture([10, 20, 30, 40, 50, 60]),
        picture([10, 22, 30, 40, 50, 60]),
        picture([10, 24, 30, 40, 53, 60]),
    ];
    // numpy.std([20, 22, 24], ddof=1) and numpy.std([50, 50, 53], ddof=1).
    let expected = (2.0 + 3f64.sqrt()) / 6.0;
    assert!((pixel_sigma(&three).unwrap() - expected).abs() < 1e-12);
    let same = [picture([9; 6]), picture([9; 6])];
    assert_eq!(pixel_sigma(&same), Ok(0.0));
    assert_eq!(pixel_sigma(&same[..1]), Err(MetricError::Samples(1)));
    assert_eq!(pixel_sigma(&[]), Err(MetricError::Samples(0)));
    let other = noise_picture(3, 3, 0);
    assert!(pixel_sigma(&[same[0].clone(), other]).is_err());
}
