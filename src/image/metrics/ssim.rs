//! Structural similarity, Wang et al., "Image Quality Assessment: From Error
//! Visibility to Structural Similarity", 2004.

use super::{Area, MetricError, luma};
use crate::image::Picture;
use rayon::prelude::*;

/// The constants of the paper, for 8-bit samples: (0.01 * 255)^2, (0.03 * 255)^2.
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// The memory of two planes, one of which grows.
const PLANE_BYTES: usize = 32;

/// Pixels that a side must have at least for [`ssim_y`], its border left out.
pub const SSIM_WINDOW: usize = 11;

/// SSIM of [`luma`], `border` pixels of each side left out: the mean over
/// every place where a window of 11x11 (Gaussian, sigma 1.5) fits. 1 for
/// equal images.
///
/// # Errors
/// When the sizes differ, or less than [`SSIM_WINDOW`] pixels a side are left.
pub fn ssim_y(a: &Picture, b: &Picture, border: usize) -> Result<f64, MetricError> {
    let weights: [f64; SSIM_WINDOW] = [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
        .map(|k: i32| (-f64::from(k * k) / (2.0 * 1.5 * 1.5)).exp());
    let total: f64 = weights.iter().sum();
    let window = Window {
        weights: weights.map(|weight| weight / total),
        variance_scale: 1.0,
    };
    let area = Area::new(a, b, border, window.weights.len())?;
    area.check_memory(PLANE_BYTES)?;
    Ok(window.similarity(&area, &plane(a, &area, luma), &plane(b, &area, luma)))
}

/// SSIM as SRDiff's paper gives it: the mean over R, G and B and over every
/// place where a uniform window of 7x7 fits, variances those of a sample
/// (divided by one less than their number), nothing left out. 1 for equal
/// images.
///
/// # Errors
/// When the sizes differ, or a side is shorter than 7 pixels.
pub fn ssim_rgb(a: &Picture, b: &Picture) -> Result<f64, MetricError> {
    let window = Window {
        weights: [1.0 / 7.0; 7],
        variance_scale: 49.0 / 48.0,
    };
    let area = Area::new(a, b, 0, window.weights.len())?;
    area.check_memory(PLANE_BYTES)?;
    let similarity = |channel: usize| {
        let value = |pixel: [u8; 3]| f64::from(pixel[channel]);
        window.similarity(&area, &plane(a, &area, value), &plane(b, &area, value))
    };
    Ok([0, 1, 2].map(similarity).iter().sum::<f64>() / 3.0)
}

/// One value of each pixel of the area.
fn plane(picture: &Picture, area: &Area, value: impl Fn([u8; 3]) -> f64) -> Vec<f64> {
    (0..area.height)
        .flat_map(|y| area.row(picture, y))
        .map(value)
        .collect()
}

/// A window, the product of its weights along both axes.
struct Window<const SIDE: usize> {
    /// Weights along an axis; they add up to 1.
    weights: [f64; SIDE],
    /// What turns weighted variances into those that are asked for.
    variance_scale: f64,
}

/// What SSIM is made of: the weighted sums of a, b, a^2, b^2 and ab.
type Moments = [f64; 5];

impl<const SIDE: usize> Window<SIDE> {
    /// Mean similarity of two planes of the size of `area`.
    fn similarity(&self, area: &Area, a: &[f64], b: &[f64]) -> f64 {
        let (width, height) = (area.width - SIDE + 1, area.height - SIDE + 1);
        let rows: Vec<f64> = (0..height)
            .into_par_iter()
            .map_init(
                || vec![Moments::default(); area.width],
                |columns, y| {
                    columns.fill(Moments::default());
                    for (k, weight) in self.weights.iter().enumerate() {
                        let start = (y + k) * area.width;
                        let row = start..start + area.width;
                        for (sums, (&a, &b)) in
                            columns.iter_mut().zip(a[row.clone()].iter().zip(&b[row]))
                        {
                            let moments = [a, b, a * a, b * b, a * b];
                            add(sums, *weight, &moments);
                        }
                    }
                    columns
                        .windows(SIDE)
                        .map(|columns| {
                            let mut sums = Moments::default();
                            for (weight, column) in self.weights.iter().zip(columns) {
                                add(&mut sums, *weight, column);
                            }
                            self.index(sums)
                        })
                        .sum()
                },
            )
            .collect();
        // Added in order, so that the result is the same each time.
        rows.iter().sum::<f64>() / (width * height) as f64
    }

    /// Similarity at one place.
    fn index(&self, [a, b, aa, bb, ab]: Moments) -> f64 {
        let [variance_a, variance_b, covariance] =
            [aa - a * a, bb - b * b, ab - a * b].map(|value| value * self.variance_scale);
        (2.0 * a * b + C1) * (2.0 * covariance + C2)
            / ((a * a + b * b + C1) * (variance_a + variance_b + C2))
    }
}

fn add(sums: &mut Moments, weight: f64, moments: &Moments) {
    for (sum, moment) in sums.iter_mut().zip(moments) {
        *sum += weight * moment;
    }
}
