//! The samples of TIFF pixels as gray or RGB, with alpha where there is any.

use super::super::super::color;
use super::super::super::raster::Raster;
use super::super::super::samples::Sample;
use super::super::super::{ImageProblem, Samples};
use super::layout::{Colors, Layout};

/// Meanings of extra samples.
const ASSOCIATED_ALPHA: u64 = 1;
const UNASSOCIATED_ALPHA: u64 = 2;

/// Interprets samples. A profile that was used up is taken.
pub fn interpret(
    samples: Samples,
    layout: &Layout,
    profile: &mut Option<Vec<u8>>,
    mut notes: Vec<String>,
) -> Result<Raster, ImageProblem> {
    let colors = layout.colors.samples();
    let taken: Vec<usize> = (0..colors).collect();
    let mut picture = samples.picked(layout.samples, &taken);
    let extra = layout.samples - colors;
    let mut kinds = layout.extra.clone();
    if kinds.is_empty() && extra == 1 {
        // Writers that do not say what it is mean opacity.
        kinds.push(UNASSOCIATED_ALPHA);
        notes.push("a channel without a stated meaning is taken for opacity".to_owned());
    }
    let is_alpha = |&kind: &u64| matches!(kind, ASSOCIATED_ALPHA | UNASSOCIATED_ALPHA);
    let alpha = kinds
        .iter()
        .position(is_alpha)
        .filter(|&index| index < extra);
    if alpha.is_none() && extra > 0 {
        notes.push(format!("{extra} channels that are no colours are left out"));
    }
    let mut channels = colors;
    match &layout.colors {
        Colors::Gray { white_is_zero } => {
            scale(&mut picture, layout.bits);
            if *white_is_zero {
                invert(&mut picture);
            }
        }
        Colors::Rgb => scale(&mut picture, layout.bits),
        Colors::YCbCr(colors) => {
            if let Samples::U8(pixels) = &mut picture {
                colors.convert(pixels);
            }
        }
        Colors::Lab { icc } => {
            // The colours are absolute.
            profile.take();
            picture = from_lab(&picture, *icc);
            notes.push("CIE L*a*b*, converted to sRGB".to_owned());
        }
        Colors::Palette(map) => {
            picture = through_palette(&picture, map, layout.bits)?;
            channels = 3;
        }
        Colors::Cmyk => {
            scale(&mut picture, layout.bits);
            let profile = profile.take();
            picture = color::cmyk_to_rgb(profile.as_deref(), &picture, &mut notes);
            channels = 3;
        }
    }
    if let Some(index) = alpha {
        let mut alpha = samples.picked(layout.samples, &[colors + index]);
        scale(&mut alpha, layout.bits);
        let associated = kinds[index] == ASSOCIATED_ALPHA;
        picture = with_alpha(picture, alpha, channels, associated);
        channels += 1;
    }
    let size = [layout.width, layout.height].map(|side| side as u32);
    let mut raster = Raster::new(size, channels, picture);
    raster.notes = notes;
    Ok(raster)
}

/// Scales samples of less than 8 bits to 8.
fn scale(samples: &mut Samples, bits: u32) {
    if let (Samples::U8(samples), 1..=7) = (samples, bits) {
        let largest = (1u32 << bits) - 1;
        for sample in samples {
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

/// CIE L*a*b* as sRGB.
fn from_lab(samples: &Samples, icc: bool) -> Samples {
    let to_srgb = color::lab_to_srgb();
    match samples {
        Samples::U8(samples) => {
            let center = |code: u8| match icc {
                true => f32::from(code) - 128.0,
                false => f32::from(code as i8),
            };
            let pixels = samples.chunks_exact(3);
            let convert = |pixel: &[u8]| {
                let lightness = f32::from(pixel[0]) * (100.0 / 255.0);
                to_srgb([lightness, center(pixel[1]), center(pixel[2])])
                    .map(|value| u8::from_level(value * 255.0))
            };
            Samples::U8(pixels.flat_map(convert).collect())
        }
        Samples::U16(samples) => {
            // ICC's white is 0xff00.
            let white = if icc { 65_280.0 } else { 65_535.0 };
            let center = |code: u16| match icc {
                true => (f32::from(code) - 32_768.0) / 256.0,
                false => f32::from(code as i16) / 256.0,
            };
            let pixels = samples.chunks_exact(3);
            let convert = |pixel: &[u16]| {
                let lightness = f32::from(pixel[0]) * (100.0 / white);
                to_srgb([lightness, center(pixel[1]), center(pixel[2])])
                    .map(|value| u16::from_level(value * 65_535.0))
            };
            Samples::U16(pixels.flat_map(convert).collect())
        }
    }
}

/// Colours that are looked up: all red values of the map, then green, then
/// blue, of 16 bits.
fn through_palette(indices: &Samples, map: &[u16], bits: u32) -> Result<Samples, ImageProblem> {
    let Samples::U8(indices) = indices else {
        let what = format!("a palette of {bits} bits in TIFF");
        return Err(ImageProblem::Feature(what));
    };
    let entries = map.len() / 3;
    if entries < 1 << bits {
        let reason = format!("a palette of {entries} colours for samples of {bits} bits");
        return Err(ImageProblem::Damaged(reason));
    }
    // Some writers fill in values of 8 bits.
    let narrow = map.iter().all(|&value| value < 256);
    let color = |&index: &u8| {
        [0, 1, 2].map(|channel| {
            let value = map[channel * entries + usize::from(index)];
            if narrow {
                value as u8
            } else {
                (value >> 8) as u8
            }
        })
    };
    Ok(indices.iter().flat_map(color).collect::<Vec<u8>>().into())
}

/// Colours and opacity interleaved. Associated: the colours were multiplied
/// with the opacity, which is undone.
fn with_alpha(colors: Samples, alpha: Samples, channels: usize, associated: bool) -> Samples {
    fn run<T: Sample>(colors: &[T], alpha: &[T], channels: usize, associated: bool) -> Vec<T> {
        let mut result = Vec::with_capacity(colors.len() + alpha.len());
        for (pixel, &alpha) in colors.chunks_exact(channels).zip(alpha) {
            let opacity = alpha.unit();
            result.extend(pixel.iter().map(|&sample| {
                if associated && opacity > 0.0 {
                    T::from_level(sample.unit() / opacity * T::LARGEST)
                } else {
                    sample
                }
            }));
            result.push(alpha);
        }
        result
    }
    match (&colors, &alpha) {
        (Samples::U8(colors), Samples::U8(alpha)) => {
            run(colors, alpha, channels, associated).into()
        }
        (Samples::U16(colors), Samples::U16(alpha)) => {
            run(colors, alpha, channels, associated).into()
        }
        // Colours that were converted have 8 bits.
        _ => run(&colors.to_u8(), &alpha.to_u8(), channels, associated).into(),
    }
}
