//! SSIMULACRA2, and how much samples differ among themselves.

use super::{Area, MetricError};
use crate::image::Picture;
use rayon::prelude::*;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// Pixels that a side must have at least for [`ssimulacra2`].
const SSIMULACRA2_LEAST: usize = 8;

/// The memory that it takes for each pixel, about.
const SSIMULACRA2_BYTES: usize = 200;

/// SSIMULACRA2 of a result against the image it should be, both taken for
/// sRGB and nothing shaved: 100 for equal images, 90 where no difference is
/// seen, 50 for medium quality; it can be negative.
///
/// # Errors
/// When the sizes differ, or a side is shorter than 8 pixels.
pub fn ssimulacra2(result: &Picture, original: &Picture) -> Result<f64, MetricError> {
    let area = Area::new(result, original, 0, SSIMULACRA2_LEAST)?;
    area.check_memory(SSIMULACRA2_BYTES)?;
    let rgb = |picture: &Picture| {
        let pixels = (0..area.height).flat_map(|y| area.row(picture, y));
        let data = pixels.map(|pixel| pixel.map(|v| f32::from(v) / 255.0));
        Rgb::new(
            data.collect(),
            area.width,
            area.height,
            TransferCharacteristic::SRGB,
            ColorPrimaries::BT709,
        )
        .expect("as many pixels as the size says")
    };
    let score = compute_frame_ssimulacra2(rgb(original), rgb(result));
    Ok(score.expect("sRGB images of one size, which was checked"))
}

/// Pixel sigma: the standard deviation of each sample's R, G and B over
/// several results for one image (divided by one less than their number), in
/// levels of 8 bits, averaged over all of them. 0 if they are all the same.
///
/// # Errors
/// When the sizes differ, or there are fewer than two results.
pub fn pixel_sigma(results: &[Picture]) -> Result<f64, MetricError> {
    let [first, others @ ..] = results else {
        return Err(MetricError::Samples(0));
    };
    if others.is_empty() {
        return Err(MetricError::Samples(1));
    }
    for other in others {
        Area::new(first, other, 0, 1)?;
    }
    let results: Vec<_> = results.iter().map(Picture::rgb8).collect();
    let count = results.len() as f64;
    let row = 3 * first.width;
    // Sums of rows are added in order, so that the result is the same each time.
    let rows: Vec<f64> = (0..first.height)
        .into_par_iter()
        .map(|y| {
            let deviation = |at: usize| {
                let values = || results.iter().map(|result| f64::from(result[at]));
                let mean = values().sum::<f64>() / count;
                let squares: f64 = values().map(|v| (v - mean) * (v - mean)).sum();
                (squares / (count - 1.0)).sqrt()
            };
            (y * row..(y + 1) * row).map(deviation).sum()
        })
        .collect();
    Ok(rows.iter().sum::<f64>() / (row * first.height) as f64)
}
