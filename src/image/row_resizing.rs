//! Resizing while rows come, as [`super::bicubic`] does it with whole images.

use super::bicubic::Axis;
use super::samples::Sample;
use super::{Border, Picture, Samples, Strip};
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
        border: Border,
    ) -> Result<Self, NoMemory> {
        let rows = Axis::with_border(height, new_height, border)?;
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
            columns: Axis::with_border(width, new_width, border)?,
            parts,
            counts,
            open: BTreeMap::new(),
            next: 0,
        })
    }

    /// Takes the next row of every plane. Calls `done` with the number and the
    /// planes of each output row that is complete with it; where the image wraps,
    /// the first ones are so only in the end.
    pub fn push(
        &mut self,
        planes: &[&[f32]],
        mut done: impl FnMut(usize, Vec<Vec<f64>>) -> Result<(), NoMemory>,
    ) -> Result<(), NoMemory> {
        let width = self.columns.taken();
        let mut complete = Vec::new();
        for &(row, weight) in &self.parts[self.next] {
            let count = self.counts[row];
            let (missing, sums) = match self.open.entry(row) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert((count, zeros(planes.len() * width)?)),
            };
            *missing -= 1;
            if *missing == 0 {
                complete.push(row);
            }
            let sums = sums.par_chunks_mut(width).zip(planes);
            sums.for_each(|(sums, values)| {
                for (sum, &value) in sums.iter_mut().zip(*values) {
                    *sum += weight * f64::from(value);
                }
            });
        }
        self.next += 1;
        for row in complete {
            let (_, sums) = self.open.remove(&row).expect("it was open until now");
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
    /// Rows of the result whose turn has not come: colours and opacity.
    waiting: BTreeMap<usize, (Samples, Option<Samples>)>,
    /// The next row of the result.
    next: usize,
}

impl StripResizing {
    /// # Panics
    /// When a length is 0.
    ///
    /// # Errors
    /// When the system has no memory for the weights of rows and columns.
    pub fn new(size: [usize; 2], new_size: [usize; 2], border: Border) -> Result<Self, NoMemory> {
        Ok(Self {
            rows: RowResizing::new(size, new_size, border)?,
            width: size[0],
            waiting: BTreeMap::new(),
            next: 0,
        })
    }

    /// The rows that are complete with `strip` and the next; none: not one is.
    /// Where the image wraps, the first row is made of the last ones, too, and
    /// all come in the end.
    ///
    /// # Panics
    /// When `strip` is not the next or not as wide as the image.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn push(&mut self, strip: &Strip) -> Result<Option<Strip>, NoMemory> {
        assert_eq!(strip.y, self.rows.next, "strips come in order");
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
                self.waiting.insert(y, (rgb, alpha.transpose()?));
                Ok(())
            })?;
        }
        self.complete()
    }

    /// The rows whose turn it is.
    fn complete(&mut self) -> Result<Option<Strip>, NoMemory> {
        let y = self.next;
        let Some((rgb, alpha)) = self.waiting.remove(&y) else {
            return Ok(None);
        };
        self.next += 1;
        let following = self.waiting.keys().zip(self.next..);
        let rows = 1 + following.take_while(|(row, next)| *row == next).count();
        let mut result = Strip {
            y,
            rows,
            rgb,
            alpha,
        };
        while self.next < y + rows {
            let (rgb, alpha) = self.waiting.remove(&self.next).expect("counted above");
            let pixels = rows * rgb.len() / 3;
            result.rgb.append(rgb, 3 * pixels)?;
            if let (Some(alpha), Some(more)) = (&mut result.alpha, alpha) {
                alpha.append(more, pixels)?;
            }
            self.next += 1;
        }
        Ok(Some(result))
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
        let mut metadata = self.metadata.clone();
        metadata.resize([self.width, self.height], [width, height]);
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
            metadata,
        }
    }
}
