//! Damage that real photos have and clean reductions do not.

use super::draws::Draws;
use crate::diffusion::noise::normals_from_words;

/// What is done to LR images. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Degradation {
    /// Qualities of JPEG compression, 1 to 100, from the lowest to the highest.
    pub jpeg: Option<[u8; 2]>,
    /// Standard deviations of noise, in levels of 8 bits.
    pub noise: Option<[f64; 2]>,
}

impl Degradation {
    /// Damages R, G and B of each pixel: noise first, as a camera does.
    pub(super) fn apply(
        &self,
        rgb: &mut Vec<u8>,
        [width, height]: [usize; 2],
        draws: &mut Draws,
    ) -> Result<(), String> {
        if let Some(range) = self.noise {
            let sigma = draws.between(range) as f32;
            for values in rgb.chunks_mut(4) {
                let normals = normals_from_words([0; 4].map(|_| draws.word()));
                for (value, normal) in values.iter_mut().zip(normals) {
                    // The conversion clamps.
                    *value = (f32::from(*value) + sigma * normal).round() as u8;
                }
            }
        }
        if let Some([low, high]) = self.jpeg {
            let quality = low + draws.below(usize::from(high - low) + 1) as u8;
            *rgb = recompressed(rgb, [width, height], quality)?;
        }
        Ok(())
    }
}

/// An image as JPEG compression of this quality leaves it.
fn recompressed(rgb: &[u8], [width, height]: [usize; 2], quality: u8) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("JPEG compression failed: {error}");
    let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    compress.set_size(width, height);
    compress.set_quality(f32::from(quality));
    let mut compress = compress.start_compress(Vec::new()).map_err(failed)?;
    compress.write_scanlines(rgb).map_err(failed)?;
    let file = compress.finish().map_err(failed)?;
    let decompress = mozjpeg::Decompress::new_mem(&file).map_err(failed)?;
    let mut decompress = decompress.rgb().map_err(failed)?;
    let rgb = decompress.read_scanlines::<u8>().map_err(failed)?;
    decompress.finish().map_err(failed)?;
    Ok(rgb)
}
