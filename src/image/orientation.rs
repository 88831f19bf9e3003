//! The eight ways that a camera may have been held.

use super::Samples;
use super::samples::Sample;

/// How a stored picture is turned to be upright; the numbers are those of
/// EXIF and TIFF. 1, and any that is not from 1 to 8, is upright already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// Stored as it is shown.
    pub const UPRIGHT: Self = Self(1);

    /// From the number in the file.
    pub fn new(number: u32) -> Self {
        match number {
            2..=8 => Self(number as u8),
            _ => Self::UPRIGHT,
        }
    }

    /// Width and height as shown, from those stored.
    pub fn shown_size(self, [width, height]: [usize; 2]) -> [usize; 2] {
        if self.0 >= 5 {
            [height, width]
        } else {
            [width, height]
        }
    }

    /// Stored samples of `channels` interleaved channels as shown.
    pub fn apply(self, samples: Samples, size: [usize; 2], channels: usize) -> Samples {
        if self == Self::UPRIGHT {
            return samples;
        }
        match samples {
            Samples::U8(samples) => self.turned(&samples, size, channels).into(),
            Samples::U16(samples) => self.turned(&samples, size, channels).into(),
        }
    }

    fn turned<T: Sample>(
        self,
        samples: &[T],
        [width, height]: [usize; 2],
        channels: usize,
    ) -> Vec<T> {
        let [new_width, new_height] = self.shown_size([width, height]);
        let (right, bottom) = (width - 1, height - 1);
        let mut result = Vec::with_capacity(samples.len());
        for y in 0..new_height {
            for x in 0..new_width {
                let (x, y) = match self.0 {
                    2 => (right - x, y),
                    3 => (right - x, bottom - y),
                    4 => (x, bottom - y),
                    5 => (y, x),
                    6 => (y, bottom - x),
                    7 => (right - y, bottom - x),
                    8 => (right - y, x),
                    _ => (x, y),
                };
                result.extend_from_slice(&samples[channels * (y * width + x)..][..channels]);
            }
        }
        result
    }
}
