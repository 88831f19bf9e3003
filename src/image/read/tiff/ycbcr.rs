//! Luma and chroma (YCbCr) that are not inside a JPEG stream.

use super::super::super::ImageProblem;
use super::{File, all_unsigned, rationals};

/// How colours are coded (TIFF 6.0, section 21).
pub struct YCbCr {
    /// How many pixels share a sample of chroma, across and down.
    pub subsampling: [usize; 2],
    /// The parts of red, green and blue in luma.
    luma: [f64; 3],
    /// The codes of black and white, of each of the three.
    range: [f64; 6],
}

impl YCbCr {
    pub fn read(file: &mut File<'_>) -> Result<Self, ImageProblem> {
        let subsampling = all_unsigned(file, 530)?.unwrap_or(vec![2, 2]);
        let luma = rationals(file, 529)?.and_then(|values| values.try_into().ok());
        let range = rationals(file, 532)?.and_then(|values| values.try_into().ok());
        let colors = Self {
            subsampling: match subsampling[..] {
                [x @ (1 | 2 | 4), y @ (1 | 2 | 4)] => [x as usize, y as usize],
                _ => {
                    let reason = format!("chroma subsampled by {subsampling:?}");
                    return Err(ImageProblem::Damaged(reason));
                }
            },
            luma: luma.unwrap_or([0.299, 0.587, 0.114]),
            range: range.unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
        };
        let [_, green, _] = colors.luma;
        let is_empty = |pair: &[f64]| pair[0] >= pair[1];
        if green <= 0.0 || colors.range.chunks_exact(2).any(is_empty) {
            let reason = "luma and chroma that no colour has".to_owned();
            return Err(ImageProblem::Damaged(reason));
        }
        Ok(colors)
    }

    /// Converts pixels to RGB, in place.
    pub fn convert(&self, pixels: &mut [u8]) {
        let [red, green, blue] = self.luma;
        let [y0, y1, cb0, cb1, cr0, cr1] = self.range;
        for pixel in pixels.chunks_exact_mut(3) {
            let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
            let y = (y - y0) * 255.0 / (y1 - y0);
            let cb = (cb - cb0) * 127.0 / (cb1 - cb0);
            let cr = (cr - cr0) * 127.0 / (cr1 - cr0);
            let r = y + (2.0 - 2.0 * red) * cr;
            let b = y + (2.0 - 2.0 * blue) * cb;
            let g = (y - red * r - blue * b) / green;
            for (sample, value) in pixel.iter_mut().zip([r, g, b]) {
                *sample = (value.clamp(0.0, 255.0) + 0.5) as u8;
            }
        }
    }
}
