//! Colours from one space to another.

use super::raster::Raster;
use super::{Buffer, ImageProblem, Picture, Sample, Samples};
use crate::host_memory::{NoMemory, with_room};
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients,
    TransferCharacteristics, TransformExecutor, TransformOptions, curve_from_gamma,
};
use std::sync::Arc;

/// What the colours of an ICC profile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Rgb,
    Gray,
    Cmyk,
    Other,
}

/// Whether these bytes are an ICC profile, and all of it: it has its signature, and
/// states no more bytes than there are.
pub fn is_profile(profile: &[u8]) -> bool {
    let stated = profile.first_chunk().map(|size| u32::from_be_bytes(*size));
    let is_whole = stated.is_some_and(|size| (128..=profile.len() as u64).contains(&size.into()));
    is_whole && profile.get(36..40) == Some(b"acsp")
}

/// The space of a profile; its header says so.
pub fn space(profile: &[u8]) -> Space {
    match profile.get(16..20) {
        Some(b"RGB ") => Space::Rgb,
        Some(b"GRAY") => Space::Gray,
        Some(b"CMYK") => Space::Cmyk,
        _ => Space::Other,
    }
}

/// CMYK, the largest sample full ink, to RGB.
pub struct Cmyk {
    through: Option<Through>,
}

/// To sRGB through a profile, for samples of 8 bits or of 16.
enum Through {
    U8(Arc<dyn TransformExecutor<u8> + Send + Sync>, Box<[u8; 256]>),
    U16(Arc<dyn TransformExecutor<u16> + Send + Sync>, [u8; 3]),
}

impl Through {
    /// None where the profile cannot be used.
    fn new(profile: &[u8], bits: u32) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(profile).ok()?;
        if profile.color_space != DataColorSpace::Cmyk {
            return None;
        }
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions::default();
        // Four channels are CMYK where the profile says so.
        let to_rgb = profile
            .create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, options)
            .ok()?;
        // Ink on paper is never as dark as a screen. All ink there is becomes
        // black, as other programs have it; else images look washed out.
        let mut black = [0; 3];
        to_rgb.transform(&[255; 4], &mut black).ok()?;
        if bits == 16 {
            let to_rgb = profile
                .create_transform_16bit(Layout::Rgba, &srgb, Layout::Rgb, options)
                .ok()?;
            return Some(Self::U16(to_rgb, black));
        }
        let level = without_black(black);
        let levels = std::array::from_fn(|v| u8::from_level(255.0 * level(v as f32 / 255.0)));
        Some(Self::U8(to_rgb, Box::new(levels)))
    }
}

impl Cmyk {
    /// For samples of so many bits, through a profile where there is one; what
    /// there is to say about that goes to `notes`.
    pub fn new(profile: Option<&[u8]>, bits: u32, notes: &mut Vec<String>) -> Self {
        let through = profile.and_then(|profile| Through::new(profile, bits));
        notes.push(
            match (profile, &through) {
                (_, Some(_)) => "CMYK, converted to sRGB through its colour profile",
                (Some(_), None) => {
                    "CMYK with a colour profile that cannot be used, converted to RGB without it"
                }
                (None, None) => "CMYK without a colour profile, converted to RGB naively",
            }
            .to_owned(),
        );
        Self { through }
    }

    /// Converts pixels of 8 bits.
    pub fn to_rgb(&self, cmyk: &[u8], rgb: &mut [u8]) {
        match &self.through {
            Some(Through::U8(to_rgb, levels)) if to_rgb.transform(cmyk, rgb).is_ok() => {
                rgb.iter_mut().for_each(|v| *v = levels[usize::from(*v)]);
            }
            _ => multiply(cmyk, rgb, 255, |light| light as u8),
        }
    }

    /// Converts pixels of 16 bits.
    pub fn to_rgb16(&self, cmyk: &[u16], rgb: &mut [u16]) {
        match &self.through {
            Some(Through::U16(to_rgb, black)) if to_rgb.transform(cmyk, rgb).is_ok() => {
                let level = without_black(*black);
                for value in rgb {
                    *value = u16::from_level(u16::LARGEST * level(value.unit()));
                }
            }
            _ => multiply(cmyk, rgb, 65_535, |light| light as u16),
        }
    }
}

/// CMYK as RGB by multiplication, which knows nothing of any ink.
fn multiply<T: Copy + Into<u64>>(
    cmyk: &[T],
    rgb: &mut [T],
    largest: u64,
    narrow: impl Fn(u64) -> T,
) {
    for (cmyk, rgb) in cmyk.chunks_exact(4).zip(rgb.chunks_exact_mut(3)) {
        let light = |ink: T| largest - ink.into();
        let paper = light(cmyk[3]);
        for (value, &ink) in rgb.iter_mut().zip(cmyk) {
            *value = narrow((light(ink) * paper + largest / 2) / largest);
        }
    }
}

/// Levels of sRGB, in [0, 1], with `black` taken as no light at all.
fn without_black(black: [u8; 3]) -> impl Fn(f32) -> f32 {
    let [r, g, b] = black.map(|value| light_of(value.unit()));
    // Half the light of the white at most: whatever is brighter is no black.
    let dark = (0.2126 * r + 0.7152 * g + 0.0722 * b).min(0.5);
    move |level| level_of(((light_of(level) - dark) / (1.0 - dark)).max(0.0))
}

/// The light of a level of sRGB, both in [0, 1].
fn light_of(level: f32) -> f32 {
    if level <= 0.040_45 {
        level / 12.92
    } else {
        ((level + 0.055) / 1.055).powf(2.4)
    }
}

/// The level of sRGB of a light, both in [0, 1].
fn level_of(light: f32) -> f32 {
    if light <= 0.003_130_8 {
        light * 12.92
    } else {
        1.055 * light.powf(1.0 / 2.4) - 0.055
    }
}

/// Converts CIE L*a*b* under D50 to sRGB in [0, 1]; colours that a screen does
/// not have are clamped.
pub fn lab_to_srgb() -> impl Fn([f32; 3]) -> [f32; 3] {
    // ICC codes 1 as this much of its XYZ.
    const ONE: f64 = 32_768.0 / 65_535.0;
    let from_xyz = ColorProfile::new_srgb().rgb_to_xyz_matrix().inverse();
    move |[l, a, b]| {
        let xyz = moxcms::Lab::new(l, a, b).to_xyz();
        let xyz = [xyz.x, xyz.y, xyz.z].map(|v| f64::from(v) / ONE);
        from_xyz.v.map(|row| {
            let light: f64 = row.iter().zip(xyz).map(|(row, xyz)| row * xyz).sum();
            level_of(light.clamp(0.0, 1.0) as f32)
        })
    }
}

/// Converts the colours of an image from `profile` to sRGB; false where that
/// cannot be done. A gray image stays gray.
pub fn convert_to_srgb(picture: &mut Picture, profile: &[u8]) -> Result<bool, NoMemory> {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else {
        return Ok(false);
    };
    let from = match profile.color_space {
        DataColorSpace::Gray if picture.gray => Layout::Gray,
        DataColorSpace::Rgb => Layout::Rgb,
        _ => return Ok(false),
    };
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let is_done = match &mut picture.rgb {
        Samples::U8(rgb) => {
            match profile.create_transform_8bit(from, &srgb, Layout::Rgb, options) {
                Ok(to_srgb) => transform(&*to_srgb, from, rgb)?,
                Err(_) => false,
            }
        }
        Samples::U16(rgb) => {
            match profile.create_transform_16bit(from, &srgb, Layout::Rgb, options) {
                Ok(to_srgb) => transform(&*to_srgb, from, rgb)?,
                Err(_) => false,
            }
        }
    };
    if picture.gray {
        picture.make_gray();
    }
    Ok(is_done)
}

/// Converts R, G and B of each pixel in place, some pixels at a time.
fn transform<T: Sample>(
    to_srgb: &(dyn TransformExecutor<T> + Send + Sync),
    from: Layout,
    rgb: &mut Buffer<T>,
) -> Result<bool, NoMemory> {
    const PIXELS: usize = 1 << 16;
    let mut input: Vec<T> = with_room(3 * PIXELS)?;
    let mut is_done = true;
    rgb.for_parts(3, |parts| {
        for part in parts.chunks_mut(3 * PIXELS) {
            input.clear();
            match from {
                Layout::Gray => input.extend(part.iter().step_by(3)),
                _ => input.extend_from_slice(part),
            }
            is_done &= to_srgb.transform(&input, part).is_ok();
        }
        is_done
    });
    Ok(is_done)
}

/// The profile of colours that were encoded with an exponent (0.45455 for a
/// display of 2.2) and, where they are known, these primaries and white:
/// x and y of white, red, green and blue.
pub fn profile_of_gamma(gamma: f64, primaries: Option<[f64; 8]>, gray: bool) -> Option<Vec<u8>> {
    encoded_profile_of_gamma(gamma, primaries, gray, &format!("gamma {:.2}", 1.0 / gamma))
}

fn encoded_profile_of_gamma(
    gamma: f64,
    primaries: Option<[f64; 8]>,
    gray: bool,
    name: &str,
) -> Option<Vec<u8>> {
    let exponent = (1.0 / gamma) as f32;
    let profile = if gray {
        ColorProfile::new_gray_with_gamma(exponent)
    } else {
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None;
        if let Some([wx, wy, rx, ry, gx, gy, bx, by]) = primaries {
            let point = |x, y| moxcms::Chromaticity::new(x as f32, y as f32);
            let primaries = moxcms::ColorPrimaries {
                red: point(rx, ry),
                green: point(gx, gy),
                blue: point(bx, by),
            };
            profile.update_rgb_colorimetry(point(wx, wy).to_xyyb(), primaries);
        }
        for curve in [
            &mut profile.red_trc,
            &mut profile.green_trc,
            &mut profile.blue_trc,
        ] {
            *curve = Some(curve_from_gamma(exponent));
        }
        profile
    };
    let white = primaries.map_or(D65, |[x, y, ..]| [x, y]);
    encoded(profile, white, name)
}

/// The profile of Adobe RGB (1998).
pub fn adobe_rgb(gray: bool) -> Option<Vec<u8>> {
    const PRIMARIES: [f64; 8] = [D65[0], D65[1], 0.64, 0.33, 0.21, 0.71, 0.15, 0.06];
    let name = "compatible with Adobe RGB (1998)";
    encoded_profile_of_gamma(256.0 / 563.0, Some(PRIMARIES), gray, name)
}

/// x and y of daylight.
const D65: [f64; 2] = [0.3127, 0.329];

/// A profile as a file, the same at any time, of colours with this white.
fn encoded(mut profile: ColorProfile, [x, y]: [f64; 2], name: &str) -> Option<Vec<u8>> {
    let text = moxcms::LocalizableString::new("en".into(), "US".into(), name.to_owned());
    profile.description = Some(moxcms::ProfileText::Localizable(vec![text]));
    let white = moxcms::Chromaticity::new(x as f32, y as f32).to_xyz();
    let d50 = moxcms::Chromaticity::D50.to_xyz();
    profile.chromatic_adaptation = Some(moxcms::adaption_matrix_d(white, d50));
    let mut bytes = profile.encode().ok()?;
    // In place of the time of this run: year, month, day.
    bytes[24..36].copy_from_slice(&[7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    Some(bytes)
}

/// Why brightness beyond that of a screen's white is refused: as ordinary levels,
/// it would look wrong.
pub fn high_dynamic_range(name: &str) -> ImageProblem {
    ImageProblem::Feature(format!("colours of high dynamic range ({name})"))
}

/// Refuses what code points for video (ITU-T H.273) call brighter than white.
pub fn check_transfer(transfer: u8) -> Result<(), ImageProblem> {
    match transfer {
        16 => Err(high_dynamic_range("PQ")),
        18 => Err(high_dynamic_range("HLG")),
        _ => Ok(()),
    }
}

/// The profile of the code points by which a file names its colours, in a place of the
/// given name; none for sRGB. Not everything can be a profile.
pub fn profile_of_named(
    [primaries, transfer]: [u8; 2],
    place: &str,
    can_be_profile: bool,
    raster: &mut Raster,
) -> Option<Vec<u8>> {
    // BT.709's primaries with sRGB's curve.
    if (primaries, transfer) == (1, 13) {
        return None;
    }
    let name = format!("its colour space ({place} {primaries}/{transfer})");
    let profile = can_be_profile.then(|| profile_of_code_points(primaries, transfer));
    let profile = profile.flatten();
    match profile {
        Some(_) => raster.made_profile_of = Some(name),
        None => raster.note(format!("{name} is not known and was left out")),
    }
    profile
}

/// The profile of code points for video (ITU-T H.273).
fn profile_of_code_points(primaries: u8, transfer: u8) -> Option<Vec<u8>> {
    let code_points = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    let profile = ColorProfile::new_from_cicp(code_points);
    profile.red_trc.as_ref()?;
    let white = match primaries {
        // Illuminants C and E, and a cinema's projector.
        4 | 8 => [0.310, 0.316],
        10 => [1.0 / 3.0; 2],
        11 => [0.314, 0.351],
        _ => D65,
    };
    encoded(profile, white, &format!("H.273 {primaries}/{transfer}"))
}
