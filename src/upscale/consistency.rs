//! Estimates that shrink to the image itself.

use crate::host_memory::{NoMemory, collected, zeros};
use crate::image::bicubic::Resizing;
use crate::model::Settings;
use rayon::prelude::*;

/// Corrections of an estimate on the way, and the most of the last one, which is
/// the result.
const CORRECTIONS: usize = 4;
const LAST_CORRECTIONS: usize = 64;

/// Levels of 255 (root mean square) that a shrunk estimate may differ by: far
/// less than what rounding does.
const TOLERANCE: f64 = 0.03;

/// Each [`PATIENCE`] corrections have to leave less than this part of the
/// difference, or there are no more.
const PATIENCE: usize = 8;
const PROGRESS: f64 = 0.96;

/// Corrects estimates of x_0 of one size so that the results they stand for,
/// shrunk to the size of the image, equal it as nearly as colours between black
/// and white and the bounds of x_0 allow:
///
/// ```text
/// SR = x_0 / res_rescale + up + enlarge(lambda), cut to what is written
/// lambda <- lambda + LR - shrink(SR)
/// ```
///
/// That is back-projection (Irani and Peleg 1991), but what is cut off is made up
/// for beside it: of all results that shrink to the image, this comes to the
/// nearest one. `lambda` holds the multipliers of that projection. `enlarge` is
/// nearly the transpose of `shrink`, and no eigenvalue of one after the other is
/// above 1, so the steps are of length 1, with Nesterov's momentum.
pub(super) struct Consistency {
    /// Width and height in LR pixels.
    size: [usize; 2],
    enlarge: Resizing,
    shrink: Resizing,
    res_rescale: f32,
    /// From LR in [0, 1] to the enlargement's input in [-1, 1].
    up_factor: f32,
}

impl Consistency {
    pub fn new(settings: &Settings, size: [usize; 2]) -> Result<Self, NoMemory> {
        let large = size.map(|side| side * settings.scale);
        Ok(Self {
            size,
            enlarge: Resizing::new(size, 1, large)?,
            shrink: Resizing::new(large, 1, size)?,
            res_rescale: settings.res_rescale as f32,
            up_factor: settings.up_factor() as f32,
        })
    }

    /// Corrects the planes `x0`, given those of the LR image in [0, 1]. The last
    /// estimate of a run is worth more work than those before.
    pub fn correct(&self, x0: &mut [f32], lr: &[f32], is_last: bool) -> Result<(), NoMemory> {
        let pixels = self.size[0] * self.size[1];
        let most = match is_last {
            true => LAST_CORRECTIONS,
            false => CORRECTIONS,
        };
        let planes = x0.chunks_exact_mut(x0.len() / 3);
        for (x0, lr) in planes.zip(lr.chunks_exact(pixels)) {
            self.correct_plane(x0, lr, most)?;
        }
        Ok(())
    }

    fn correct_plane(&self, x0: &mut [f32], lr: &[f32], most: usize) -> Result<(), NoMemory> {
        let base = collected(lr.len(), lr.iter().map(|&v| v * self.up_factor - 1.0))?;
        let up = resized(&self.enlarge, &base)?;
        drop(base);
        // Of the correction before, and with its momentum.
        let mut lambda: Vec<f32> = zeros(lr.len())?;
        let mut ahead: Vec<f32> = zeros(lr.len())?;
        let mut sr: Vec<f32> = zeros(up.len())?;
        let mut before = f64::INFINITY;
        for correction in 0..=most {
            let results = sr.par_iter_mut().zip(&up).zip(&*x0);
            // NaN stays NaN.
            results.for_each(|((sr, up), x0)| {
                let residual = (x0 + *sr * self.res_rescale).clamp(-1.0, 1.0);
                *sr = (residual / self.res_rescale + up).clamp(-1.0, 1.0);
            });
            if correction == most {
                break;
            }
            let shrunk = resized(&self.shrink, &sr)?;
            let difference = difference(&shrunk, lr);
            let is_due = correction % PATIENCE == 0;
            let is_stuck = is_due && difference > PROGRESS * before;
            if difference.is_nan() || difference <= TOLERANCE || is_stuck {
                break;
            }
            if is_due {
                before = difference;
            }
            let momentum = correction as f32 / (correction + 3) as f32;
            let multipliers = lambda.iter_mut().zip(&mut ahead);
            for ((lambda, ahead), (&lr, &shrunk)) in multipliers.zip(lr.iter().zip(&shrunk)) {
                let next = *ahead + 2.0 * lr - 1.0 - shrunk;
                // What is lighter than white is white when it is written.
                let next = match lr {
                    1.0.. => next.max(0.0),
                    ..=0.0 => next.min(0.0),
                    _ => next,
                };
                *ahead = next + momentum * (next - *lambda);
                *lambda = next;
            }
            sr = resized(&self.enlarge, &ahead)?;
        }
        let results = x0.par_iter_mut().zip(&sr).zip(&up);
        results.for_each(|((x0, sr), up)| {
            *x0 = ((sr - up) * self.res_rescale).clamp(-1.0, 1.0);
        });
        Ok(())
    }
}

/// Root mean square in levels of 255 of what a shrunk result in [-1, 1] differs by
/// from the image in [0, 1], as it is written.
fn difference(shrunk: &[f32], lr: &[f32]) -> f64 {
    let squares = shrunk.iter().zip(lr).map(|(&shrunk, &lr)| {
        let level = (f64::from(shrunk) + 1.0) / 2.0;
        (level.clamp(0.0, 1.0) - f64::from(lr)).powi(2)
    });
    255.0 * (squares.sum::<f64>() / lr.len() as f64).sqrt()
}

fn resized(resizing: &Resizing, plane: &[f32]) -> Result<Vec<f32>, NoMemory> {
    resizing.rows(plane, 0..resizing.height(), |v| v as f32)
}
