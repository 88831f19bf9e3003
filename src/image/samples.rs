//! Samples of 8 or 16 bits.

use super::buffer::Buffer;
use crate::host_memory::{NoMemory, collected, copied, reserve};
use bytemuck::Pod;
use std::borrow::Cow;
use std::ops::Range;

/// Samples of an image: whole numbers from 0 to the largest of their type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits a sample.
    U8(Buffer<u8>),
    /// 16 bits a sample.
    U16(Buffer<u16>),
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bits of each: 8 or 16.
    pub fn bits(&self) -> u32 {
        match self {
            Self::U8(_) => 8,
            Self::U16(_) => 16,
        }
    }

    /// A copy.
    pub(crate) fn copied(&self) -> Result<Self, NoMemory> {
        Ok(match self {
            Self::U8(samples) => Self::U8(samples.copied()?),
            Self::U16(samples) => Self::U16(samples.copied()?),
        })
    }

    /// Adds samples at the end, where there will be `all` of them.
    ///
    /// # Panics
    /// When they are of another type.
    pub(super) fn append(&mut self, more: Self, all: usize) -> Result<(), NoMemory> {
        fn run<T: Sample>(place: &mut Buffer<T>, more: &[T], all: usize) -> Result<(), NoMemory> {
            let mut samples = std::mem::replace(place, Vec::new().into()).into_memory()?;
            if samples.capacity() - samples.len() < more.len() {
                let missing = all.max(samples.len() + more.len()) - samples.len();
                reserve(&mut samples, missing)?;
            }
            samples.extend(more);
            *place = samples.into();
            Ok(())
        }
        match (self, more) {
            (Self::U8(samples), Self::U8(more)) => run(samples, &more, all),
            (Self::U16(samples), Self::U16(more)) => run(samples, &more, all),
            _ => panic!("samples of 8 bits and of 16"),
        }
    }

    /// Some of them.
    ///
    /// # Panics
    /// When there are not so many.
    pub(super) fn part(&self, range: Range<usize>) -> Result<Self, NoMemory> {
        Ok(match self {
            Self::U8(samples) => Self::U8(copied(&samples[range])?.into()),
            Self::U16(samples) => Self::U16(copied(&samples[range])?.into()),
        })
    }

    /// The samples at 8 or 16 bits.
    ///
    /// # Errors
    /// When the system has no memory for them.
    pub fn with_bits(self, bits: u32) -> Result<Self, NoMemory> {
        Ok(match (self, bits) {
            (Self::U16(samples), 8) => {
                let narrow = samples.iter().map(|&v| narrowed(v));
                collected(samples.len(), narrow)?.into()
            }
            (Self::U8(samples), 16) => {
                let wide = samples.iter().map(|&v| u16::from(v) * 257);
                collected(samples.len(), wide)?.into()
            }
            (samples, _) => samples,
        })
    }

    /// The samples rounded to 8 bits.
    pub fn to_u8(&self) -> Cow<'_, [u8]> {
        match self {
            Self::U8(samples) => Cow::Borrowed(samples),
            Self::U16(samples) => Cow::Owned(samples.iter().map(|&v| narrowed(v)).collect()),
        }
    }

    /// The samples to be changed, where they have 8 bits.
    pub fn as_u8_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::U8(samples) => Some(samples),
            Self::U16(_) => None,
        }
    }

    /// One sample, rounded to 8 bits.
    pub(super) fn at_u8(&self, index: usize) -> u8 {
        match self {
            Self::U8(samples) => samples[index],
            Self::U16(samples) => narrowed(samples[index]),
        }
    }

    /// One sample, in [0, 1].
    pub(crate) fn unit_at(&self, index: usize) -> f32 {
        match self {
            Self::U8(samples) => samples[index].unit(),
            Self::U16(samples) => samples[index].unit(),
        }
    }

    /// The samples at 16 bits; 255 becomes 65535.
    pub fn to_u16(&self) -> Cow<'_, [u16]> {
        match self {
            Self::U8(samples) => Cow::Owned(samples.iter().map(|&v| u16::from(v) * 257).collect()),
            Self::U16(samples) => Cow::Borrowed(samples),
        }
    }

    /// Whether every sample has the largest value, as those of an opaque
    /// image's alpha have.
    pub fn all_largest(&self) -> bool {
        fn run<T: Sample>(samples: &Buffer<T>) -> bool {
            let mut parts = samples.parts(1);
            parts.all(|part| part.iter().all(|&v| v == T::MAX))
        }
        match self {
            Self::U8(samples) => run(samples),
            Self::U16(samples) => run(samples),
        }
    }

    /// Whether every sample is zero, as before anything was decoded.
    pub(super) fn all_zero(&self) -> bool {
        fn run<T: Sample>(samples: &Buffer<T>) -> bool {
            let mut parts = samples.parts(1);
            parts.all(|part| part.iter().all(|&v| v == T::default()))
        }
        match self {
            Self::U8(samples) => run(samples),
            Self::U16(samples) => run(samples),
        }
    }

    /// Some samples of each group of `count`: those at the indices `taken`.
    pub(super) fn picked(&self, count: usize, taken: &[usize]) -> Self {
        fn run<T: Copy>(samples: &[T], count: usize, taken: &[usize]) -> Vec<T> {
            let mut result = Vec::with_capacity(samples.len() / count * taken.len());
            for group in samples.chunks_exact(count) {
                result.extend(taken.iter().map(|&index| group[index]));
            }
            result
        }
        match self {
            Self::U8(samples) => run(samples, count, taken).into(),
            Self::U16(samples) => run(samples, count, taken).into(),
        }
    }
}

impl From<Vec<u8>> for Samples {
    fn from(samples: Vec<u8>) -> Self {
        Self::U8(samples.into())
    }
}

impl From<Vec<u16>> for Samples {
    fn from(samples: Vec<u16>) -> Self {
        Self::U16(samples.into())
    }
}

fn narrowed(sample: u16) -> u8 {
    // v / 257, rounded.
    ((u32::from(sample) * 255 + 32_895) >> 16) as u8
}

/// A type of samples, for code that is the same for both.
pub(super) trait Sample: Pod + Default + Send + Sync + PartialEq + Into<f64> {
    /// The largest value.
    const MAX: Self;

    /// The largest value, as a float.
    const LARGEST: f32;

    fn samples(samples: Buffer<Self>) -> Samples;

    /// Samples of this type.
    ///
    /// # Panics
    /// When they are of another.
    fn of_mut(samples: &mut Samples) -> &mut Buffer<Self>;

    /// In [0, 1].
    fn unit(self) -> f32;

    /// From [-1, 1], clamped and rounded.
    fn from_signed(value: f32) -> Self;

    /// From [0, `LARGEST`], clamped and rounded.
    fn from_level(value: f32) -> Self;
}

impl Sample for u8 {
    const MAX: Self = Self::MAX;
    const LARGEST: f32 = 255.0;

    fn samples(samples: Buffer<Self>) -> Samples {
        Samples::U8(samples)
    }

    fn of_mut(samples: &mut Samples) -> &mut Buffer<Self> {
        match samples {
            Samples::U8(samples) => samples,
            Samples::U16(_) => panic!("samples of 16 bits where 8 are meant"),
        }
    }

    fn unit(self) -> f32 {
        f32::from(self) * (1.0 / 255.0)
    }

    fn from_signed(value: f32) -> Self {
        (((value + 1.0) * 127.5).clamp(0.0, 255.0) + 0.5) as u8
    }

    fn from_level(value: f32) -> Self {
        (value.clamp(0.0, 255.0) + 0.5) as u8
    }
}

impl Sample for u16 {
    const MAX: Self = Self::MAX;
    const LARGEST: f32 = 65_535.0;

    fn samples(samples: Buffer<Self>) -> Samples {
        Samples::U16(samples)
    }

    fn of_mut(samples: &mut Samples) -> &mut Buffer<Self> {
        match samples {
            Samples::U16(samples) => samples,
            Samples::U8(_) => panic!("samples of 8 bits where 16 are meant"),
        }
    }

    fn unit(self) -> f32 {
        f32::from(self) * (1.0 / 65_535.0)
    }

    fn from_signed(value: f32) -> Self {
        (((value + 1.0) * 32_767.5).clamp(0.0, 65_535.0) + 0.5) as u16
    }

    fn from_level(value: f32) -> Self {
        (value.clamp(0.0, 65_535.0) + 0.5) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_rounded_to_the_nearest_eight() {
        for value in 0..=u16::MAX {
            let exact = f64::from(value) / 257.0;
            assert_eq!(narrowed(value), exact.round() as u8, "{value}");
        }
        for value in 0..=u8::MAX {
            assert_eq!(narrowed(u16::from(value) * 257), value);
        }
    }
}
