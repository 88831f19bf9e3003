//! The rows of an image, as a format takes them.

use super::super::color::{self, Space};
use super::super::samples::Sample;
use super::super::{ImageProblem, Picture, Samples, Strip};
use super::{OutputFormat, Strips};
use crate::host_memory::{NoMemory, with_room};

/// Rows from top to bottom, their samples interleaved.
pub struct Rows<'a> {
    pub head: &'a Picture,
    strips: Strips<'a>,
    /// Rows that were taken.
    taken: usize,
    /// Gray, gray and alpha, RGB, or RGBA.
    pub channels: usize,
    /// 8 or 16.
    pub bits: u32,
    /// Whether pixels are laid over white.
    flattened: bool,
}

impl<'a> Rows<'a> {
    pub fn new(head: &'a Picture, format: OutputFormat, strips: Strips<'a>) -> Self {
        // A profile of RGB colours needs three channels, even if they are equal.
        let profile = head.metadata.icc_profile.as_deref();
        let needs_rgb = profile.is_some_and(|profile| color::space(profile) == Space::Rgb);
        let gray = head.gray && !needs_rgb && format != OutputFormat::WebP;
        let has_alpha = head.alpha.is_some() && format.has_alpha();
        Self {
            head,
            strips,
            taken: 0,
            channels: if gray { 1 } else { 3 } + usize::from(has_alpha),
            bits: match format.has_16_bits() {
                true => head.rgb.bits(),
                false => 8,
            },
            flattened: head.alpha.is_some() && !has_alpha,
        }
    }

    pub fn row_samples(&self) -> usize {
        self.head.width * self.channels
    }

    /// The next rows; none after the last.
    pub fn next(&mut self) -> Result<Option<Samples>, ImageProblem> {
        let height = self.head.height;
        if self.taken == height {
            return Ok(None);
        }
        let incomplete = ImageProblem::MissingRows {
            found: self.taken,
            height,
        };
        let width = self.head.width;
        let strip = self.strips.next().transpose()?.filter(|strip| {
            let pixels = strip.rows * width;
            strip.y == self.taken
                && (1..=height - self.taken).contains(&strip.rows)
                && strip.rgb.len() == 3 * pixels
                && strip.rgb.bits() == self.head.rgb.bits()
                && strip.alpha.is_some() == self.head.alpha.is_some()
                && strip.alpha.iter().all(|alpha| alpha.len() == pixels)
        });
        let strip = strip.ok_or(incomplete)?;
        self.taken += strip.rows;
        Ok(Some(self.interleaved(strip)?))
    }

    fn interleaved(&self, strip: Strip) -> Result<Samples, NoMemory> {
        let Strip { rgb, alpha, .. } = strip;
        if self.channels == 3 && !self.flattened {
            return rgb.with_bits(self.bits);
        }
        let (colors, flattened) = (if self.channels < 3 { 1 } else { 3 }, self.flattened);
        let rgb = rgb.with_bits(self.bits)?;
        let alpha = alpha.map(|alpha| alpha.with_bits(self.bits)).transpose()?;
        Ok(match (&rgb, &alpha) {
            (Samples::U8(rgb), Some(Samples::U8(alpha))) => {
                interleaved(rgb, Some(alpha), colors, flattened)?.into()
            }
            (Samples::U16(rgb), Some(Samples::U16(alpha))) => {
                interleaved(rgb, Some(alpha), colors, flattened)?.into()
            }
            (Samples::U8(rgb), _) => interleaved(rgb, None, colors, flattened)?.into(),
            (Samples::U16(rgb), _) => interleaved(rgb, None, colors, flattened)?.into(),
        })
    }
}

/// The first `colors` samples of each pixel and its opacity, where there is
/// any; or the pixels over white.
fn interleaved<T: Sample>(
    rgb: &[T],
    alpha: Option<&[T]>,
    colors: usize,
    flattened: bool,
) -> Result<Vec<T>, NoMemory> {
    let mut result = with_room(rgb.len() / 3 * (colors + 1))?;
    for (index, pixel) in rgb.chunks_exact(3).enumerate() {
        let pixel = pixel.iter().take(colors);
        match alpha.map(|alpha| alpha[index]) {
            Some(alpha) if flattened => {
                let opacity = alpha.unit();
                result.extend(pixel.map(|sample| {
                    let value = sample.unit() * opacity + (1.0 - opacity);
                    T::from_level(value * T::LARGEST)
                }));
            }
            alpha => {
                result.extend(pixel);
                result.extend(alpha);
            }
        }
    }
    Ok(result)
}
