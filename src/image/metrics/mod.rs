//! The measures of the field, of a result against the image it should be.
//!
//! Two protocols are in use, and their numbers must not be mixed:
//! - that of most super-resolution work: luma only, `border` pixels shaved off
//!   each side (as many as the enlargement), SSIM with a Gaussian window:
//!   [`psnr_y`], [`ssim_y`];
//! - that of SRDiff's paper: R, G and B, nothing shaved, SSIM with a uniform
//!   window: [`psnr_rgb`] and [`ssim_rgb`].
//!
//! Besides, [`lr_psnr`] is how well a result agrees with its input,
//! [`ssimulacra2()`] is close to what people see, and [`pixel_sigma`] is how much
//! several results differ.
//!
//! All are about levels of 8 bits; images of 16 bits are rounded to them.

mod perceptual;
mod ssim;

pub use perceptual::{pixel_sigma, ssimulacra2};
pub use ssim::{SSIM_WINDOW, ssim_rgb, ssim_y};

use super::{Picture, bicubic};
use crate::host_memory::{NoMemory, probe};
use rayon::prelude::*;
use thiserror::Error;

/// Two images that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetricError {
    /// They differ in size.
    #[error(
        "the images are {a_width}x{a_height} and {b_width}x{b_height} pixels; only images of equal size can be compared"
    )]
    Sizes {
        /// Width of the first.
        a_width: usize,
        /// Height of the first.
        a_height: usize,
        /// Width of the second.
        b_width: usize,
        /// Height of the second.
        b_height: usize,
    },
    /// Nothing is left to compare.
    #[error(
        "images of {width}x{height} pixels are too small for this measure, which needs at least {needed} a side"
    )]
    TooSmall {
        /// Width.
        width: usize,
        /// Height.
        height: usize,
        /// Shortest side that can be measured.
        needed: usize,
    },
    /// Too few results to differ.
    #[error("{0} results for one image do not tell how much results differ; give 2 or more")]
    Samples(usize),
    /// The system has no memory to compare them.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// One is no whole enlargement of the other.
    #[error(
        "an image of {width}x{height} pixels is no whole enlargement of one of {lr_width}x{lr_height}; give the image it was made from"
    )]
    Scale {
        /// Width of the result.
        width: usize,
        /// Height of the result.
        height: usize,
        /// Width of the LR image.
        lr_width: usize,
        /// Height of the LR image.
        lr_height: usize,
    },
}

/// Luma of an R, G, B pixel by ITU-R BT.601, black 16 and white 235; not
/// rounded.
pub fn luma(pixel: [u8; 3]) -> f64 {
    let [r, g, b] = pixel.map(f64::from);
    (65.481 * r + 128.553 * g + 24.966 * b) / 255.0 + 16.0
}

/// PSNR over R, G and B in dB, `border` pixels of each side left out;
/// infinite for equal images.
///
/// # Errors
/// When the sizes differ or nothing is left.
pub fn psnr_rgb(a: &Picture, b: &Picture, border: usize) -> Result<f64, MetricError> {
    psnr(a, b, border, |pixel| pixel.map(f64::from))
}

/// PSNR of [`luma`] in dB, its peak 255, `border` pixels of each side left
/// out; infinite for equal images.
///
/// # Errors
/// When the sizes differ or nothing is left.
pub fn psnr_y(a: &Picture, b: &Picture, border: usize) -> Result<f64, MetricError> {
    psnr(a, b, border, |pixel| [luma(pixel)])
}

/// How well a result agrees with the LR image it was made from:
/// [`psnr_rgb`] of the result, shrunk to that size and rounded, against it.
///
/// # Errors
/// When `sr` is no whole enlargement of `lr`.
pub fn lr_psnr(sr: &Picture, lr: &Picture) -> Result<f64, MetricError> {
    let scale = sr.width / lr.width;
    if scale == 0 || [sr.width, sr.height] != [scale * lr.width, scale * lr.height] {
        return Err(MetricError::Scale {
            width: sr.width,
            height: sr.height,
            lr_width: lr.width,
            lr_height: lr.height,
        });
    }
    let (size, lr_size) = ([sr.width, sr.height], [lr.width, lr.height]);
    let shrunk = bicubic::resize_u8(&sr.rgb8(), size, 3, lr_size)?;
    psnr_rgb(&Picture::new(lr.width, lr.height, shrunk), lr, 0)
}

fn psnr<const CHANNELS: usize>(
    a: &Picture,
    b: &Picture,
    border: usize,
    channels: impl Fn([u8; 3]) -> [f64; CHANNELS] + Sync,
) -> Result<f64, MetricError> {
    let area = Area::new(a, b, border, 1)?;
    // Sums of rows are added in order, so that the result is the same each time.
    let rows: Vec<f64> = (0..area.height)
        .into_par_iter()
        .map(|y| {
            area.row(a, y)
                .zip(area.row(b, y))
                .flat_map(|(a, b)| std::iter::zip(channels(a), channels(b)))
                .map(|(a, b)| (a - b) * (a - b))
                .sum()
        })
        .collect();
    let mean = rows.iter().sum::<f64>() / (area.width * area.height * CHANNELS) as f64;
    Ok(10.0 * (255.0 * 255.0 / mean).log10())
}

/// The part of two images that is compared.
struct Area {
    border: usize,
    /// Width of what is left inside the border.
    width: usize,
    /// Height of what is left.
    height: usize,
}

impl Area {
    /// Checks that the sizes agree and that at least `least` pixels a side
    /// are left inside the border.
    fn new(a: &Picture, b: &Picture, border: usize, least: usize) -> Result<Self, MetricError> {
        if [a.width, a.height] != [b.width, b.height] {
            return Err(MetricError::Sizes {
                a_width: a.width,
                a_height: a.height,
                b_width: b.width,
                b_height: b.height,
            });
        }
        let needed = border.saturating_mul(2).saturating_add(least);
        if a.width.min(a.height) < needed {
            return Err(MetricError::TooSmall {
                width: a.width,
                height: a.height,
                needed,
            });
        }
        Ok(Self {
            border,
            width: a.width - 2 * border,
            height: a.height - 2 * border,
        })
    }

    /// Checks that there is memory for so many bytes a pixel.
    fn check_memory(&self, a_pixel: usize) -> Result<(), NoMemory> {
        probe(a_pixel.saturating_mul(self.width * self.height))
    }

    /// The pixels of row `y` of the area.
    fn row<'a>(&self, picture: &'a Picture, y: usize) -> impl Iterator<Item = [u8; 3]> + 'a {
        let start = 3 * ((y + self.border) * picture.width + self.border);
        (0..self.width).map(move |x| [0, 1, 2].map(|c| picture.rgb.at_u8(start + 3 * x + c)))
    }
}
