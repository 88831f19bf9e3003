//! Estimates that shrink to the image itself.

use crate::host_memory::{NoMemory, collected, zeros};
use crate::image::bicubic::Resizing;
use crate::model::Settings;
use rayon::prelude::*;

/// Rounds of correction; each leaves about a fifth of the difference.
const ROUNDS: usize = 4;

/// Corrects estimates of x_0 of one size so that the results they stand for,
/// shrunk to the size of the image, equal it (back-projection, Irani and Peleg
/// 1991):
///
/// ```text
/// SR <- SR + enlarge(LR - shrink(SR)),  SR = x_0 / res_rescale + up
/// ```
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

    /// Corrects the planes `x0`, given those of the LR image in [0, 1].
    pub fn correct(&self, x0: &mut [f32], lr: &[f32]) -> Result<(), NoMemory> {
        let pixels = self.size[0] * self.size[1];
        let planes = x0.chunks_exact_mut(x0.len() / 3);
        for (x0, lr) in planes.zip(lr.chunks_exact(pixels)) {
            let map = |v: f32| v * self.up_factor - 1.0;
            let base = collected(lr.len(), lr.iter().map(|&v| map(v)))?;
            let up = resized(&self.enlarge, &base)?;
            let mut sr = zeros(up.len())?;
            let results = sr.par_iter_mut().zip(&up).zip(&*x0);
            results.for_each(|((sr, up), x0)| *sr = x0 / self.res_rescale + up);
            for _ in 0..ROUNDS {
                let mut difference = resized(&self.shrink, &sr)?;
                for (shrunk, &lr) in difference.iter_mut().zip(lr) {
                    *shrunk = 2.0 * lr - 1.0 - *shrunk;
                }
                let correction = resized(&self.enlarge, &difference)?;
                sr.par_iter_mut()
                    .zip(correction)
                    .for_each(|(sr, c)| *sr += c);
            }
            // NaN stays NaN.
            let results = x0.par_iter_mut().zip(&sr).zip(&up);
            results.for_each(|((x0, sr), up)| {
                *x0 = ((sr - up) * self.res_rescale).clamp(-1.0, 1.0);
            });
        }
        Ok(())
    }
}

fn resized(resizing: &Resizing, plane: &[f32]) -> Result<Vec<f32>, NoMemory> {
    resizing.rows(plane, 0..resizing.height(), |v| v as f32)
}
