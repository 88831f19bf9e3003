//! The samples of TIFF pixels as gray or RGB, with alpha where there is any.

use super::super::super::color::{self, Cmyk};
use super::super::super::samples::Sample;
use super::super::super::{ImageProblem, Samples};
use super::super::other_channels;
use super::layout::{Colors, Layout};
use std::borrow::Cow;

/// Meanings of extra samples.
const ASSOCIATED_ALPHA: u64 = 1;
const UNASSOCIATED_ALPHA: u64 = 2;

/// How the samples of a row become gray or RGB, with alpha where there is any.
pub struct Interpreter<'a> {
    layout: &'a Layout,
    cmyk: Option<Cmyk>,
    to_srgb: Box<dyn Fn([f32; 3]) -> [f32; 3]>,
    palette: Vec<[u8; 3]>,
    alpha: Option<Alpha>,
}

/// Where the opacity of a pixel is.
struct Alpha {
    /// Its sample.
    index: usize,
    /// Whether the colours were multiplied with it.
    is_associated: bool,
}

impl<'a> Interpreter<'a> {
    /// A profile that is used up is taken.
    pub fn new(
        layout: &'a Layout,
        profile: &mut Option<Vec<u8>>,
        notes: &mut Vec<String>,
    ) -> Result<Self, ImageProblem> {
        let colors = layout.colors.samples();
        let extra = layout.samples - colors;
        let mut kinds = layout.extra.clone();
        if kinds.is_empty() && extra == 1 {
            // Writers that do not say what it is mean opacity.
            kinds.push(UNASSOCIATED_ALPHA);
            notes.push("a channel without a stated meaning is taken for opacity".to_owned());
        }
        let is_alpha = |&kind: &u64| matches!(kind, ASSOCIATED_ALPHA | UNASSOCIATED_ALPHA);
        let alpha = kinds.iter().position(is_alpha);
        let alpha = alpha.filter(|&index| index < extra).map(|index| Alpha {
            index: colors + index,
            is_associated: kinds[index] == ASSOCIATED_ALPHA,
        });
        let others = extra - usize::from(alpha.is_some());
        if others > 0 {
            notes.push(other_channels(others));
        }
        let (mut cmyk, mut palette) = (None, Vec::new());
        match &layout.colors {
            Colors::Gray { .. } | Colors::Rgb | Colors::YCbCr(_) => {}
            Colors::Lab { .. } => {
                // The colours are absolute.
                profile.take();
                notes.push("CIE L*a*b*, converted to sRGB".to_owned());
            }
            Colors::Palette(map) => palette = read_palette(map, layout.bits)?,
            Colors::Cmyk => {
                let bits = if layout.bits <= 8 { 8 } else { 16 };
                cmyk = Some(Cmyk::new(profile.take().as_deref(), bits, notes));
            }
        }
        Ok(Self {
            layout,
            cmyk,
            to_srgb: Box::new(color::lab_to_srgb()),
            palette,
            alpha,
        })
    }

    /// The map of colours; empty where there is none.
    pub fn palette(&self) -> &[[u8; 3]] {
        &self.palette
    }

    /// Samples of a pixel that it gives.
    pub fn channels(&self) -> usize {
        let colors = match self.layout.colors {
            Colors::Gray { .. } => 1,
            _ => 3,
        };
        colors + usize::from(self.alpha.is_some())
    }

    /// Bits of each.
    pub fn bits(&self) -> u32 {
        if self.layout.bits <= 8 { 8 } else { 16 }
    }

    /// The pixels of some stored samples.
    pub fn row<'s>(&self, stored: &'s Samples) -> Cow<'s, Samples> {
        let layout = self.layout;
        let colors = layout.colors.samples();
        let is_plain = matches!(
            layout.colors,
            Colors::Rgb
                | Colors::Gray {
                    white_is_zero: false
                }
        );
        if is_plain && layout.samples == colors && layout.bits >= 8 {
            return Cow::Borrowed(stored);
        }
        let taken: Vec<usize> = (0..colors).collect();
        let mut pixels = stored.picked(layout.samples, &taken);
        let alpha = self.alpha.as_ref().map(|alpha| {
            let mut opacity = stored.picked(layout.samples, &[alpha.index]);
            scale(&mut opacity, layout.bits);
            opacity
        });
        // What was multiplied are the samples, whatever colours they mean.
        let associated = alpha.as_ref().filter(|_| self.is_associated());
        match &layout.colors {
            Colors::Gray { white_is_zero } => {
                scale(&mut pixels, layout.bits);
                divide(&mut pixels, associated, colors);
                if *white_is_zero {
                    invert(&mut pixels);
                }
            }
            Colors::Rgb => {
                scale(&mut pixels, layout.bits);
                divide(&mut pixels, associated, colors);
            }
            Colors::YCbCr(conversion) => {
                if let Samples::U8(pixels) = &mut pixels {
                    conversion.convert(pixels);
                }
                divide(&mut pixels, associated, colors);
            }
            Colors::Lab { icc } => {
                let opacity = |pixel| associated.map_or(1.0, |alpha| alpha.unit_at(pixel));
                pixels = from_lab(&pixels, *icc, opacity, &self.to_srgb);
            }
            // Colours of a map are not multiplied.
            Colors::Palette(_) => {
                let color = |index| self.palette[usize::from(pixels.at_u8(index))];
                let colors: Vec<_> = (0..pixels.len()).flat_map(color).collect();
                pixels = colors.into();
            }
            Colors::Cmyk => {
                scale(&mut pixels, layout.bits);
                divide(&mut pixels, associated, colors);
                pixels = self.cmyk_to_rgb(&pixels);
            }
        }
        Cow::Owned(match alpha {
            Some(alpha) => with_alpha(pixels, alpha, self.channels() - 1),
            None => pixels,
        })
    }

    /// Whether samples were multiplied with the opacity of their pixels.
    fn is_associated(&self) -> bool {
        self.alpha.as_ref().is_some_and(|alpha| alpha.is_associated)
    }

    fn cmyk_to_rgb(&self, cmyk: &Samples) -> Samples {
        let count = cmyk.len() / 4 * 3;
        match (cmyk, &self.cmyk) {
            (Samples::U8(cmyk), Some(to_rgb)) => {
                let mut rgb = vec![0; count];
                to_rgb.to_rgb(cmyk, &mut rgb);
                rgb.into()
            }
            (Samples::U16(cmyk), Some(to_rgb)) => {
                let mut rgb = vec![0; count];
                to_rgb.to_rgb16(cmyk, &mut rgb);
                rgb.into()
            }
            (_, None) => unreachable!("made for these colours"),
        }
    }
}

/// Scales samples of less than 8 bits to 8.
fn scale(samples: &mut Samples, bits: u32) {
    if let (Samples::U8(samples), 1..=7) = (samples, bits) {
        let largest = (1u32 << bits) - 1;
        for sample in samples.iter_mut() {
            *sample = ((u32::from(*sample) * 255 + largest / 2) / largest) as u8;
        }
    }
}

fn invert(samples: &mut Samples) {
    match samples {
        Samples::U8(samples) => samples.iter_mut().for_each(|sample| *sample = !*sample),
        Samples::U16(samples) => samples.iter_mut().for_each(|sample| *sample = !*sample),
    }
}

/// CIE L*a*b* as sRGB, pixels divided by what they were multiplied with.
fn from_lab(
    samples: &Samples,
    icc: bool,
    opacity: impl Fn(usize) -> f32,
    to_srgb: impl Fn([f32; 3]) -> [f32; 3],
) -> Samples {
    let convert = |index: usize, color: [f32; 3]| match opacity(index) {
        0.0 => to_srgb(color),
        opacity => to_srgb(color.map(|value| value / opacity)),
    };
    match samples {
        Samples::U8(samples) => {
            let center = |code: u8| match icc {
                true => f32::from(code) - 128.0,
                false => f32::from(code as i8),
            };
            let pixels = samples.chunks_exact(3).enumerate();
            let converted = pixels.flat_map(|(index, pixel)| {
                let lightness = f32::from(pixel[0]) * (100.0 / 255.0);
                convert(index, [lightness, center(pixel[1]), center(pixel[2])])
                    .map(|value| u8::from_level(value * 255.0))
            });
            Samples::U8(converted.collect())
        }
        Samples::U16(samples) => {
            // ICC's white is 0xff00.
            let white = if icc { 65_280.0 } else { 65_535.0 };
            let center = |code: u16| match icc {
                true => (f32::from(code) - 32_768.0) / 256.0,
                false => f32::from(code as i16) / 256.0,
            };
            let pixels = samples.chunks_exact(3).enumerate();
            let converted = pixels.flat_map(|(index, pixel)| {
                let lightness = f32::from(pixel[0]) * (100.0 / white);
                convert(index, [lightness, center(pixel[1]), center(pixel[2])])
                    .map(|value| u16::from_level(value * 65_535.0))
            });
            Samples::U16(converted.collect())
        }
    }
}

/// The colours of a map: all red values, then green, then blue, of 16 bits.
fn read_palette(map: &[u16], bits: u32) -> Result<Vec<[u8; 3]>, ImageProblem> {
    if bits > 8 {
        let what = format!("a palette of {bits} bits in TIFF");
        return Err(ImageProblem::Feature(what));
    }
    let entries = map.len() / 3;
    if entries < 1 << bits {
        let reason = format!("a palette of {entries} colours for samples of {bits} bits");
        return Err(ImageProblem::Damaged(reason));
    }
    // Some writers fill in values of 8 bits.
    let narrow = map.iter().all(|&value| value < 256);
    let level = |value: u16| {
        if narrow {
            value as u8
        } else {
            (value >> 8) as u8
        }
    };
    let color = |index: usize| [0, 1, 2].map(|channel| level(map[channel * entries + index]));
    Ok((0..entries).map(color).collect())
}

/// Divides the samples of pixels by the opacity that they were multiplied with.
fn divide(pixels: &mut Samples, opacity: Option<&Samples>, channels: usize) {
    fn run<T: Sample>(pixels: &mut [T], opacity: &[T], channels: usize) {
        for (pixel, &opacity) in pixels.chunks_exact_mut(channels).zip(opacity) {
            let opacity = opacity.unit();
            if opacity > 0.0 {
                for sample in pixel {
                    *sample = T::from_level(sample.unit() / opacity * T::LARGEST);
                }
            }
        }
    }
    match (pixels, opacity) {
        (Samples::U8(pixels), Some(Samples::U8(opacity))) => run(pixels, opacity, channels),
        (Samples::U16(pixels), Some(Samples::U16(opacity))) => run(pixels, opacity, channels),
        (_, None) => {}
        _ => unreachable!("all samples of a file have one type"),
    }
}

/// Colours and opacity interleaved.
fn with_alpha(colors: Samples, alpha: Samples, channels: usize) -> Samples {
    fn run<T: Sample>(colors: &[T], alpha: &[T], channels: usize) -> Vec<T> {
        let mut result = Vec::with_capacity(colors.len() + alpha.len());
        for (pixel, &alpha) in colors.chunks_exact(channels).zip(alpha) {
            result.extend(pixel);
            result.push(alpha);
        }
        result
    }
    match (&colors, &alpha) {
        (Samples::U8(colors), Samples::U8(alpha)) => run(colors, alpha, channels).into(),
        (Samples::U16(colors), Samples::U16(alpha)) => run(colors, alpha, channels).into(),
        // Colours that were converted have 8 bits.
        _ => run(&colors.to_u8(), &alpha.to_u8(), channels).into(),
    }
}
