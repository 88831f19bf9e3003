//! The samples of a row of a strip or tile.

use super::super::super::{ImageProblem, Samples};
use super::layout::{Layout, Predictor};
use half::f16;

/// Samples from the bytes of rows.
pub struct Rows<'a> {
    layout: &'a Layout,
    /// The samples of a row as they are stored.
    words: Vec<u64>,
    floats: Floats,
}

/// What floating-point samples were like.
#[derive(Default)]
struct Floats {
    count: usize,
    outside: usize,
    /// The smallest and the largest outside of 0 to 1.
    low: f64,
    high: f64,
    has_nan: bool,
}

impl<'a> Rows<'a> {
    pub fn new(layout: &'a Layout) -> Self {
        Self {
            layout,
            words: Vec::new(),
            floats: Floats::default(),
        }
    }

    /// The first `count` samples of a row, whose predictor is undone: of up to 8
    /// bits as they are stored, of more scaled to 16.
    pub fn take(&mut self, row: &mut [u8], count: usize, line: &mut Samples) {
        let (layout, step) = (self.layout, self.layout.chunk_samples());
        let is_predicted = layout.predictor == Predictor::Differences;
        match line {
            Samples::U8(line) if layout.bits == 8 => {
                if is_predicted {
                    for i in step..row.len() {
                        row[i] = row[i].wrapping_add(row[i - step]);
                    }
                }
                let line = line.emptied();
                line.extend_from_slice(&row[..count]);
            }
            Samples::U8(line) => {
                let line = line.emptied();
                let samples = packed(row, layout.bits as usize);
                line.extend(samples.take(count).map(|sample| sample as u8));
            }
            Samples::U16(line) if layout.bits == 16 && !layout.float => {
                let line = line.emptied();
                let (pairs, _) = row.as_chunks();
                line.extend(pairs.iter().map(|&pair| match layout.little_endian {
                    true => u16::from_le_bytes(pair),
                    false => u16::from_be_bytes(pair),
                }));
                if is_predicted {
                    for i in step..line.len() {
                        line[i] = line[i].wrapping_add(line[i - step]);
                    }
                }
                line.truncate(count);
            }
            Samples::U16(line) => {
                self.words(row);
                let line = line.emptied();
                for index in 0..count {
                    let sample = self.sample(index);
                    line.push(sample);
                }
            }
        }
    }

    /// Takes the words of a row, and undoes its predictor.
    fn words(&mut self, row: &mut [u8]) {
        let Self { layout, words, .. } = self;
        let (bits, step) = (layout.bits as usize, layout.chunk_samples());
        words.clear();
        if !bits.is_multiple_of(8) {
            return words.extend(packed(row, bits));
        }
        let bytes = bits / 8;
        if layout.predictor == Predictor::Floats {
            for i in step..row.len() {
                row[i] = row[i].wrapping_add(row[i - step]);
            }
            // First the top bytes of all samples, then the next ones.
            let count = row.len() / bytes;
            let word = |i| (0..bytes).fold(0, |word, b| word << 8 | u64::from(row[b * count + i]));
            return words.extend((0..count).map(word));
        }
        let join = |word, &byte: &u8| word << 8 | u64::from(byte);
        words.extend(
            row.chunks_exact(bytes)
                .map(|sample| match layout.little_endian {
                    true => sample.iter().rev().fold(0, join),
                    false => sample.iter().fold(0, join),
                }),
        );
        if layout.predictor == Predictor::Differences {
            for i in step..words.len() {
                words[i] = words[i].wrapping_add(words[i - step]) & (u64::MAX >> (64 - bits));
            }
        }
    }

    /// A sample of the row whose words were taken, scaled to 16 bits.
    fn sample(&mut self, index: usize) -> u16 {
        let word = self.words[index];
        if self.layout.float {
            return self.floats.level(match self.layout.bits {
                16 => f16::from_bits(word as u16).to_f64(),
                32 => f32::from_bits(word as u32).into(),
                _ => f64::from_bits(word),
            });
        }
        let largest = (1u64 << self.layout.bits) - 1;
        ((word * 65_535 + largest / 2) / largest) as u16
    }

    /// Says what became of floating-point samples.
    pub fn finish(self, notes: &mut Vec<String>) -> Result<(), ImageProblem> {
        let Floats {
            count,
            outside,
            low,
            high,
            has_nan,
        } = self.floats;
        if has_nan {
            let what = "samples that are no numbers (NaN) in TIFF";
            return Err(ImageProblem::Feature(what.to_owned()));
        }
        if self.layout.float {
            notes.push(
                "samples in floating point, read as 0 for black and 1 for white and rounded to 16 bits"
                    .to_owned(),
            );
        }
        if outside > 0 {
            notes.push(format!(
                "{outside} of its {count} samples are outside of 0 to 1 (from {low} to {high}) and were clamped"
            ));
        }
        Ok(())
    }
}

impl Floats {
    /// A sample at 16 bits.
    fn level(&mut self, value: f64) -> u16 {
        self.count += 1;
        self.has_nan |= value.is_nan();
        if !(0.0..=1.0).contains(&value) {
            self.outside += 1;
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
        (value.clamp(0.0, 1.0) * 65_535.0).round() as u16
    }
}

/// Samples packed from the top bit of each byte on.
fn packed(row: &[u8], bits: usize) -> impl Iterator<Item = u64> {
    (0..row.len() * 8 / bits).map(move |index| {
        let bit = index * bits;
        let window = (0..4).fold(0u32, |word, i| {
            word << 8 | u32::from(row.get(bit / 8 + i).copied().unwrap_or(0))
        });
        u64::from((window >> (32 - bits - bit % 8)) & ((1 << bits) - 1))
    })
}
