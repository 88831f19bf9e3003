//! How much the samples of an image differ from each other.

use super::UpscaleError;
use crate::host_memory::{NoMemory, collected, zeros};
use crate::image::{Picture, Samples};
use rayon::prelude::*;

/// The mean and the standard deviation of samples of one image, pixel by pixel.
pub struct Spread {
    /// The first sample, for everything but its colours.
    like: Picture,
    count: u32,
    /// For each element of `rgb`, in levels of 255 (Welford 1962).
    mean: Vec<f32>,
    /// Sum of squares of the differences from the mean.
    squares: Vec<f32>,
}

impl Spread {
    /// Of one sample.
    ///
    /// # Errors
    /// When its buffers do not fit its size, or the system has no memory for it.
    pub fn new(first: &Picture) -> Result<Self, UpscaleError> {
        let (width, height) = (first.width, first.height);
        if !first.is_consistent() {
            return Err(UpscaleError::Picture { width, height });
        }
        let alpha = first.alpha.as_ref().map(Samples::copied);
        let count = first.rgb.len();
        Ok(Self {
            like: Picture {
                alpha: alpha.transpose()?,
                ..first.without_pixels([width, height])
            },
            count: 1,
            mean: collected(count, (0..count).map(|index| level(&first.rgb, index)))?,
            squares: zeros(count)?,
        })
    }

    /// Adds a sample.
    ///
    /// # Panics
    /// When it has another size.
    pub fn add(&mut self, sample: &Picture) {
        let rgb = &sample.rgb;
        let size = |picture: &Picture| [picture.width, picture.height];
        assert!(
            size(sample) == size(&self.like) && rgb.len() == self.mean.len(),
            "samples of one image"
        );
        self.count += 1;
        let part = 1.0 / self.count as f32;
        let sums = self.mean.par_iter_mut().zip(&mut self.squares);
        sums.enumerate().for_each(|(index, (mean, squares))| {
            let value = level(rgb, index);
            let before = value - *mean;
            *mean += before * part;
            *squares += before * (value - *mean);
        });
    }

    /// The mean of the samples, of as many bits as the first.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn mean(&self) -> Result<Picture, NoMemory> {
        let (mean, count) = (self.mean.iter(), self.mean.len());
        let alpha = self.like.alpha.as_ref().map(Samples::copied);
        Ok(Picture {
            rgb: match self.like.rgb {
                Samples::U8(_) => collected(count, mean.map(|v| v.round() as u8))?.into(),
                Samples::U16(_) => {
                    collected(count, mean.map(|v| (v * 257.0).round() as u16))?.into()
                }
            },
            alpha: alpha.transpose()?,
            ..self
                .like
                .without_pixels([self.like.width, self.like.height])
        })
    }

    /// Standard deviation of each pixel in levels of 255, over all channels.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn sigma(&self) -> Result<Vec<f32>, NoMemory> {
        let degrees = (self.count.max(2) - 1) as f32 * 3.0;
        let pixels = self.squares.chunks_exact(3);
        let sigma = pixels.map(|p| (p.iter().sum::<f32>() / degrees).sqrt());
        collected(self.squares.len() / 3, sigma)
    }

    /// [`sigma`](Self::sigma) as an image, from black (0) over red and yellow to
    /// white (`brightest` levels and more).
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn heat_map(&self, brightest: f32) -> Result<Picture, NoMemory> {
        let color = |sigma: f32| {
            let heat = 3.0 * sigma / brightest.max(f32::MIN_POSITIVE);
            [heat, heat - 1.0, heat - 2.0].map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
        };
        let rgb = self.sigma()?.into_iter().flat_map(color);
        let rgb = collected(self.squares.len(), rgb)?;
        Ok(Picture::new(self.like.width, self.like.height, rgb))
    }
}

/// A sample in levels of 255.
fn level(samples: &Samples, index: usize) -> f32 {
    match samples {
        Samples::U8(samples) => f32::from(samples[index]),
        Samples::U16(samples) => f32::from(samples[index]) / 257.0,
    }
}
