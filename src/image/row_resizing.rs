//! Resizing while rows come, as [`super::bicubic`] does it with whole images.

use super::bicubic::Axis;
use super::samples::Sample;
use super::{Picture, Samples, Strip};
use crate::host_memory::{NoMemory, collected, probe, zeros};
use rayon::prelude::*;
use std::collections::{BTreeMap, btree_map::Entry};
use std::iter::repeat_with;

/// Resizes planes of which rows come from top to bottom.
pub(crate) struct RowResizing {
    columns: Axis,
    /// For each input row, the output rows that it is part of, and its weights.
    parts: Vec<Vec<(usize, f64)>>,
    /// How many parts each output row has.
    counts: Vec<usize>,
    /// Output rows that are begun: the parts that are missing and the sum so
    /// far, of all planes one after the other.
    open: BTreeMap<usize, (usize, Vec<f64>)>,
    /// The next input row.
    next: usize,
}

impl RowResizing {
    /// # Panics
    /// When a length is 0.
    pub fn new(
        [width, height]: [usize; 2],
        [new_width, new_height]: [usize; 2],
    ) -> Result<Self, NoMemory> {
        let rows = Axis::new(height, new_height)?;
        let mut parts = collected(height, repeat_with(Vec::new))?;
        let mut counts = zeros(new_height)?;
        // What each row holds of them.
        probe(rows.taps_in_all() * size_of::<(usize, f64)>() * 4)?;
        for (row, count) in counts.iter_mut().enumerate() {
            for (from, weight) in rows.taps(row).filter(|(_, weight)| *weight != 0.0) {
                parts[from].push((row, weight));
                *count += 1;
            }
        }
        Ok(Self {
            columns: Axis::new(width, new_width)?,
            parts,
            counts,
            open: BTreeMap::new(),
            next: 0,
        })
    }

    /// Takes the next row of every plane. Calls `done` with the number and the
    /// planes of each output row that is complete.
    pub fn push(
        &mut self,
        planes: &[&[f32]],
        mut done: impl FnMut(usize, Vec<Vec<f64>>) -> Result<(), NoMemory>,
    ) -> Result<(), NoMemory> {
        let width = self.columns.taken();
        for &(row, weight) in &self.parts[self.next] {
            let count = self.counts[row];
            let (missing, sums) = match self.open.entry(row) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert((count, zeros(planes.len() * width)?)),
            };
            *missing -= 1;
            let sums = sums.par_chunks_mut(width).zip(planes);
            sums.for_each(|(sums, values)| {
                for (sum, &value) in sums.iter_mut().zip(*values) {
                    *sum += weight * f64::from(value);
                }
            });
        }
        self.next += 1;
        while let Some(entry) = self.open.first_entry().filter(|entry| entry.get().0 == 0) {
            let (row, (_, sums)) = entry.remove_entry();
            let resized = sums.par_chunks_exact(width).map(|sums| {
                let columns = 0..self.columns.length();
                let value = |x| {
                    self.columns
                        .taps(x)
                        .map(|(i, weight)| weight * sums[i])
                        .sum()
                };
                collected(columns.len(), columns.map(value))
            });
            let resized: Result<_, NoMemory> = resized.collect();
            done(row, resized?)?;
        }
        Ok(())
    }
}

/// Resizes an image of which strips come from top to bottom.
pub struct StripResizing {
    rows: RowResizing,
    width: usize,
}

impl StripResizing {
    /// # Panics
    /// When a length is 0.
    ///
    /// # Errors
    /// When the system has no memory for the weights of rows and columns.
    pub fn new(size: [usize; 2], new_size: [usize; 2]) -> Result<Self, NoMemory> {
        Ok(Self {
            rows: RowResizing::new(size, new_size)?,
            width: size[0],
        })
    }

    /// The rows that are complete with `strip`; none: not one is.
    ///
    /// # Panics
    /// When `strip` is not the next or not as wide as the image.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn push(&mut self, strip: &Strip) -> Result<Option<Strip>, NoMemory> {
        assert_eq!(strip.y, self.rows.next, "strips come in order");
        let mut result: Option<Strip> = None;
        for row in 0..strip.rows {
            let mut planes = planes(&strip.rgb, 3, row, self.width)?;
            if let Some(alpha) = &strip.alpha {
                planes.extend(self::planes(alpha, 1, row, self.width)?);
            }
            let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
            self.rows.push(&planes, |y, planes| {
                let rgb = interleaved(&planes[..3], &strip.rgb)?;
                let alpha = strip.alpha.as_ref();
                let alpha = alpha.map(|alpha| interleaved(&planes[3..], alpha));
                let alpha = alpha.transpose()?;
                match &mut result {
                    None => {
                        let rows = 1;
                        result = Some(Strip {
                            y,
                            rows,
                            rgb,
                            alpha,
                        });
                    }
                    Some(result) => {
                        result.rows += 1;
                        result.rgb.append(rgb, 0)?;
                        if let (Some(alpha), Some(more)) = (&mut result.alpha, alpha) {
                            alpha.append(more, 0)?;
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(result)
    }
}

/// A row of interleaved samples as planes.
fn planes(
    samples: &Samples,
    channels: usize,
    row: usize,
    width: usize,
) -> Result<Vec<Vec<f32>>, NoMemory> {
    fn run<T: Sample>(row: &[T], channels: usize) -> Result<Vec<Vec<f32>>, NoMemory> {
        let plane = |channel: usize| {
            let values = row[channel..].iter().step_by(channels);
            collected(row.len() / channels, values.map(|&v| v.into() as f32))
        };
        (0..channels).map(plane).collect()
    }
    let range = row * width * channels..(row + 1) * width * channels;
    match samples {
        Samples::U8(samples) => run(&samples[range], channels),
        Samples::U16(samples) => run(&samples[range], channels),
    }
}

/// Planes as interleaved samples of the type of `like`.
fn interleaved(planes: &[Vec<f64>], like: &Samples) -> Result<Samples, NoMemory> {
    fn run<T: Sample>(planes: &[Vec<f64>]) -> Result<Vec<T>, NoMemory> {
        let width = planes[0].len();
        let pixel = |x| {
            planes
                .iter()
                .map(move |plane: &Vec<f64>| T::from_level(plane[x] as f32))
        };
        collected(planes.len() * width, (0..width).flat_map(pixel))
    }
    Ok(match like {
        Samples::U8(_) => run::<u8>(planes)?.into(),
        Samples::U16(_) => run::<u16>(planes)?.into(),
    })
}

impl Picture {
    /// The image without its pixels, as one of another size: what a result is
    /// before its rows come.
    pub fn without_pixels(&self, [width, height]: [usize; 2]) -> Self {
        let samples = |like: &Samples| match like {
            Samples::U8(_) => Samples::U8(Vec::new().into()),
            Samples::U16(_) => Samples::U16(Vec::new().into()),
        };
        Self {
            width,
            height,
            rgb: samples(&self.rgb),
            gray: self.gray,
            alpha: self.alpha.as_ref().map(samples),
            metadata: self.metadata.clone(),
        }
    }
}
