//! How much the samples of an image differ from each other.

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
    pub fn new(first: &Picture) -> Self {
        let mean = levels(&first.rgb);
        Self {
            like: Picture {
                rgb: Samples::U8(Vec::new()),
                ..first.clone()
            },
            count: 1,
            squares: vec![0.0; mean.len()],
            mean,
        }
    }

    /// Adds a sample.
    ///
    /// # Panics
    /// When it has another size.
    pub fn add(&mut self, sample: &Picture) {
        let values = levels(&sample.rgb);
        assert_eq!(values.len(), self.mean.len(), "samples of one image");
        self.count += 1;
        let part = 1.0 / self.count as f32;
        let sums = self.mean.par_iter_mut().zip(&mut self.squares);
        sums.zip(values).for_each(|((mean, squares), value)| {
            let before = value - *mean;
            *mean += before * part;
            *squares += before * (value - *mean);
        });
    }

    /// The mean of the samples, of 8 bits.
    pub fn mean(&self) -> Picture {
        let rgb = self.mean.iter().map(|v| v.round() as u8).collect();
        Picture {
            rgb: Samples::U8(rgb),
            alpha: self
                .like
                .alpha
                .as_ref()
                .map(|a| a.to_u8().into_owned().into()),
            ..self.like.clone()
        }
    }

    /// Standard deviation of each pixel in levels of 255, over all channels.
    pub fn sigma(&self) -> Vec<f32> {
        let degrees = (self.count.max(2) - 1) as f32 * 3.0;
        let pixels = self.squares.par_chunks_exact(3);
        pixels
            .map(|p| (p.iter().sum::<f32>() / degrees).sqrt())
            .collect()
    }

    /// [`sigma`](Self::sigma) as an image, from black (0) over red and yellow to
    /// white (`brightest` levels and more).
    pub fn heat_map(&self, brightest: f32) -> Picture {
        let color = |sigma: f32| {
            let heat = 3.0 * sigma / brightest.max(f32::MIN_POSITIVE);
            [heat, heat - 1.0, heat - 2.0].map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
        };
        let rgb: Vec<u8> = self.sigma().into_iter().flat_map(color).collect();
        Picture::new(self.like.width, self.like.height, rgb)
    }
}

fn levels(samples: &Samples) -> Vec<f32> {
    match samples {
        Samples::U8(samples) => samples.iter().map(|&v| f32::from(v)).collect(),
        Samples::U16(samples) => samples.iter().map(|&v| f32::from(v) / 257.0).collect(),
    }
}
