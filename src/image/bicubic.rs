//! Bicubic resizing as MATLAB's `imresize` does it, to any size.
//!
//! Keys kernel with a = -1/2, half-pixel centres, symmetric border (the edge
//! sample repeated) unless the image wraps; when shrinking, the kernel is
//! stretched by the factor so that it removes what the smaller grid cannot
//! hold. Weights of a sample add up to 1. All in f64, rounded once at the end
//! if at all.
//!
//! This is for all that the host does: measures, opacity, LR images, results
//! of other sizes, corrected estimates and the rows of tiled results. The
//! enlargement inside the model is [`crate::ops::UpsampleBicubic`], which it
//! agrees with.

use super::{Border, Picture, Samples};
use crate::host_memory::{NoMemory, probe, with_room, zeros};
use crate::ops::keys_cubic;
use bytemuck::Zeroable;
use rayon::prelude::*;
use std::ops::Range;

/// Resizes samples of `channels` interleaved channels from
/// `size = [width, height]` to `new_size`, without rounding.
///
/// The scale of an axis is the new length over the old one.
///
/// # Panics
/// When a length is 0 or `samples` has not `width * height * channels`.
///
/// # Errors
/// When the system has no memory for the result.
pub fn resize<T>(
    samples: &[T],
    size: [usize; 2],
    channels: usize,
    new_size: [usize; 2],
) -> Result<Vec<f64>, NoMemory>
where
    T: Copy + Into<f64> + Sync,
{
    resize_with(samples, size, channels, new_size, |value| value)
}

/// [`resize`], rounded to whole numbers and clamped to 0..=255.
///
/// # Panics
/// As [`resize`].
///
/// # Errors
/// As [`resize`].
pub fn resize_u8(
    samples: &[u8],
    size: [usize; 2],
    channels: usize,
    new_size: [usize; 2],
) -> Result<Vec<u8>, NoMemory> {
    // The conversion clamps.
    resize_with(samples, size, channels, new_size, |value| {
        value.round() as u8
    })
}

/// [`resize`], rounded to whole numbers of the samples' own type and clamped.
///
/// # Panics
/// As [`resize`].
fn resize_samples(
    samples: &Samples,
    size: [usize; 2],
    channels: usize,
    new_size: [usize; 2],
    border: Border,
) -> Result<Samples, NoMemory> {
    let resizing = Resizing::with_border(size, channels, new_size, border)?;
    resizing.samples(samples, 0..new_size[1])
}

impl Picture {
    /// The image resized, opacity included.
    ///
    /// # Panics
    /// When a side would be 0.
    ///
    /// # Errors
    /// When the system has no memory for the result.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self, NoMemory> {
        self.resized_with([width, height], Border::Reflected)
    }

    /// As [`resized`](Self::resized), with that beyond its edges.
    pub(crate) fn resized_with(
        &self,
        new_size: [usize; 2],
        border: Border,
    ) -> Result<Self, NoMemory> {
        let size = [self.width, self.height];
        let alpha = self.alpha.as_ref();
        let alpha = alpha.map(|alpha| resize_samples(alpha, size, 1, new_size, border));
        Ok(Self {
            rgb: resize_samples(&self.rgb, size, 3, new_size, border)?,
            alpha: alpha.transpose()?,
            ..self.without_pixels(new_size)
        })
    }
}

fn resize_with<T, O>(
    samples: &[T],
    size: [usize; 2],
    channels: usize,
    new_size: [usize; 2],
    finish: impl Fn(f64) -> O + Sync,
) -> Result<Vec<O>, NoMemory>
where
    T: Copy + Into<f64> + Sync,
    O: Copy + Zeroable + Send,
{
    Resizing::new(size, channels, new_size)?.rows(samples, 0..new_size[1], finish)
}

/// A resizing of images of one size to another, any rows at a time.
pub(crate) struct Resizing {
    size: [usize; 2],
    channels: usize,
    columns: Axis,
    rows: Axis,
}

impl Resizing {
    /// # Panics
    /// When a length is 0.
    ///
    /// # Errors
    /// When the system has no memory for the weights of rows and columns.
    pub fn new(size: [usize; 2], channels: usize, new_size: [usize; 2]) -> Result<Self, NoMemory> {
        Self::with_border(size, channels, new_size, Border::Reflected)
    }

    /// # Panics
    /// When a length is 0.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_border(
        [width, height]: [usize; 2],
        channels: usize,
        [new_width, new_height]: [usize; 2],
        border: Border,
    ) -> Result<Self, NoMemory> {
        assert!(
            width > 0 && height > 0 && channels > 0 && new_width > 0 && new_height > 0,
            "resize: {width}x{height}x{channels} to {new_width}x{new_height}"
        );
        Ok(Self {
            size: [width, height],
            channels,
            columns: Axis::with_border(width, new_width, border)?,
            rows: Axis::with_border(height, new_height, border)?,
        })
    }

    /// Rows of the result, all of them.
    pub fn height(&self) -> usize {
        self.rows.length()
    }

    /// Rows of the result, rounded and clamped.
    ///
    /// # Panics
    /// When `samples` are not those of the whole image.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn samples(&self, samples: &Samples, rows: Range<usize>) -> Result<Samples, NoMemory> {
        // The conversions clamp.
        Ok(match samples {
            Samples::U8(samples) => self.rows(samples, rows, |v| v.round() as u8)?.into(),
            Samples::U16(samples) => self.rows(samples, rows, |v| v.round() as u16)?.into(),
        })
    }

    /// Output rows are independent: each is a weighted sum of input rows,
    /// resized along itself. Only one row of intermediate values is ever needed.
    ///
    /// # Panics
    /// When `samples` are not those of the whole image.
    ///
    /// # Errors
    /// When the system has no memory for the result.
    pub fn rows<T, O>(
        &self,
        samples: &[T],
        rows: Range<usize>,
        finish: impl Fn(f64) -> O + Sync,
    ) -> Result<Vec<O>, NoMemory>
    where
        T: Copy + Into<f64> + Sync,
        O: Copy + Zeroable + Send,
    {
        let ([width, height], channels) = (self.size, self.channels);
        let row = width * channels;
        assert_eq!(samples.len(), row * height, "resize: number of samples");
        let new_row = self.columns.length() * channels;
        let mut result: Vec<O> = zeros(new_row * rows.len())?;
        // A row of each thread.
        probe(row * size_of::<f64>() * rayon::current_num_threads())?;
        result.par_chunks_mut(new_row).enumerate().for_each_init(
            || vec![0.0; row],
            |mixed, (y, output)| {
                mixed.fill(0.0);
                for (index, weight) in self.rows.taps(rows.start + y) {
                    let input = &samples[index * row..][..row];
                    for (sum, &sample) in mixed.iter_mut().zip(input) {
                        *sum += weight * sample.into();
                    }
                }
                for (x, pixel) in output.chunks_exact_mut(channels).enumerate() {
                    for (channel, sample) in pixel.iter_mut().enumerate() {
                        let taps = self.columns.taps(x);
                        *sample = finish(
                            taps.map(|(index, weight)| weight * mixed[index * channels + channel])
                                .sum(),
                        );
                    }
                }
            },
        );
        Ok(result)
    }
}

/// Where each sample of a resized axis comes from.
pub(crate) struct Axis {
    /// The number of input samples.
    taken: usize,
    /// How many input samples an output sample has.
    support: usize,
    /// Their indices, `support` for each output sample.
    indices: Vec<usize>,
    /// Their weights, likewise.
    weights: Vec<f64>,
}

impl Axis {
    pub fn new(length: usize, new_length: usize) -> Result<Self, NoMemory> {
        Self::with_border(length, new_length, Border::Reflected)
    }

    pub fn with_border(length: usize, new_length: usize, border: Border) -> Result<Self, NoMemory> {
        let scale = new_length as f64 / length as f64;
        let squeeze = scale.min(1.0);
        let width = 4.0 / squeeze;
        let support = width.ceil() as usize;
        let mut axis = Self {
            taken: length,
            support,
            indices: with_room(support * new_length)?,
            weights: with_room(support * new_length)?,
        };
        for i in 0..new_length {
            let centre = (i as f64 + 0.5) / scale - 0.5;
            // The first whole coordinate inside the kernel.
            let first = (centre - width / 2.0).floor() + 1.0;
            let weight = |k: usize| keys_cubic((centre - first - k as f64) * squeeze);
            let total: f64 = (0..support).map(weight).sum();
            for k in 0..support {
                axis.indices
                    .push(border.fold(first as isize + k as isize, length));
                axis.weights.push(weight(k) / total);
            }
        }
        Ok(axis)
    }

    /// The number of input samples.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How many taps all output samples have.
    pub fn taps_in_all(&self) -> usize {
        self.indices.len()
    }

    /// The number of output samples.
    pub fn length(&self) -> usize {
        self.indices.len() / self.support
    }

    /// Input index and weight of each tap of output sample `i`.
    pub fn taps(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = i * self.support..(i + 1) * self.support;
        let weights = self.weights[range.clone()].iter().copied();
        self.indices[range].iter().copied().zip(weights)
    }
}
