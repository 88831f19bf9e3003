//! What happens to photos on their way: noise of the camera, and JPEG.

use super::DataError;
use super::draws::Draws;
use mozjpeg::{ColorSpace, Compress, Decompress};
use std::ops::RangeInclusive;

/// What is done to LR patches before the model sees them; of each range, one value
/// is drawn for each patch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Degradation {
    /// Standard deviation of Gaussian noise, in levels of 8 bits.
    pub noise: Option<RangeInclusive<f64>>,
    /// Quality of JPEG with halved chroma, 1 to 100; after the noise.
    pub jpeg: Option<RangeInclusive<u8>>,
}

impl Degradation {
    /// Applies it to a square patch, `r, g, b` of each pixel.
    pub(super) fn apply(
        &self,
        mut rgb: Vec<u8>,
        side: usize,
        draws: &mut Draws,
    ) -> Result<Vec<u8>, DataError> {
        if let Some(range) = &self.noise {
            let sigma = range.start() + (range.end() - range.start()) * draws.unit();
            let mut noise = vec![0.0; rgb.len()];
            draws.fill_normal(&mut noise);
            for (value, noise) in rgb.iter_mut().zip(noise) {
                // The conversion clamps.
                *value = (f32::from(*value) + sigma as f32 * noise).round() as u8;
            }
        }
        match &self.jpeg {
            Some(range) => {
                let count = u64::from(range.end() - range.start()) + 1;
                let quality = range.start() + draws.below(count) as u8;
                jpeg(&rgb, side, quality).map_err(|error| DataError::Jpeg(error.to_string()))
            }
            None => Ok(rgb),
        }
    }
}

fn jpeg(rgb: &[u8], side: usize, quality: u8) -> std::io::Result<Vec<u8>> {
    let mut compress = Compress::new(ColorSpace::JCS_RGB);
    compress.set_size(side, side);
    compress.set_fastest_defaults();
    compress.set_quality(quality.into());
    compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    let mut started = compress.start_compress(Vec::new())?;
    started.write_scanlines(rgb)?;
    let file = started.finish()?;
    let mut pixels = Decompress::new_mem(&file)?.rgb()?;
    let rgb = pixels.read_scanlines()?;
    pixels.finish()?;
    Ok(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Vec<u8> {
        (0..3 * 24 * 24).map(|v| (v / 3 % 24 * 8) as u8).collect()
    }

    fn error(a: &[u8], b: &[u8]) -> f64 {
        let squares = a
            .iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
        (squares.sum::<f64>() / a.len() as f64).sqrt()
    }

    #[test]
    fn noise_has_its_deviation_and_jpeg_its_quality() {
        let rgb = gradient();
        let degraded = |noise, jpeg| {
            let degradation = Degradation { noise, jpeg };
            let mut draws = Draws::new(1, 2, 3);
            degradation.apply(rgb.clone(), 24, &mut draws).unwrap()
        };
        assert_eq!(degraded(None, None), rgb);
        let noisy = error(&degraded(Some(6.0..=6.0), None), &rgb);
        assert!((5.0..7.0).contains(&noisy), "{noisy}");
        let good = error(&degraded(None, Some(95..=95)), &rgb);
        let poor = error(&degraded(None, Some(10..=10)), &rgb);
        assert!(good < 3.0 && poor > 2.0 * good, "{good} {poor}");
    }
}
