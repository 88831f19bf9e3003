//! Colours from one space to another.

use super::{Picture, Samples};
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients,
    TransferCharacteristics, TransformOptions, curve_from_gamma,
};

/// What the colours of an ICC profile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Rgb,
    Gray,
    Cmyk,
    Other,
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

/// CMYK of 8 bits, 255 full ink, as sRGB through a profile; none where the
/// profile cannot be used.
pub fn cmyk_through(profile: &[u8], cmyk: &[u8]) -> Option<Vec<u8>> {
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
    let mut rgb = vec![0; cmyk.len() / 4 * 3];
    to_rgb.transform(cmyk, &mut rgb).ok()?;

    // Ink on paper is never as dark as a screen. All ink there is becomes
    // black, as other programs have it; else pictures look washed out.
    let mut black = [0; 3];
    to_rgb.transform(&[255; 4], &mut black).ok()?;
    let levels = without_black(black);
    rgb.iter_mut().for_each(|v| *v = levels[usize::from(*v)]);
    Some(rgb)
}

/// For each level of sRGB, the one with `black` taken as no light at all.
fn without_black(black: [u8; 3]) -> [u8; 256] {
    let light = |level: f64| {
        if level <= 0.040_45 {
            level / 12.92
        } else {
            ((level + 0.055) / 1.055).powf(2.4)
        }
    };
    let level = |light: f64| {
        if light <= 0.003_130_8 {
            light * 12.92
        } else {
            1.055 * light.powf(1.0 / 2.4) - 0.055
        }
    };
    let [r, g, b] = black.map(|value| light(f64::from(value) / 255.0));
    // Half the light of the white at most: whatever is brighter is no black.
    let dark = (0.2126 * r + 0.7152 * g + 0.0722 * b).min(0.5);
    std::array::from_fn(|value| {
        let light = (light(value as f64 / 255.0) - dark) / (1.0 - dark);
        (level(light.max(0.0)) * 255.0).round() as u8
    })
}

/// CMYK of 8 bits, 255 full ink, as RGB by multiplication, which knows nothing
/// of any ink.
pub fn cmyk_naively(cmyk: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(cmyk.len() / 4 * 3);
    for pixel in cmyk.chunks_exact(4) {
        let paper = 255 - u32::from(pixel[3]);
        let mixed = |ink: &u8| ((255 - u32::from(*ink)) * paper + 127) / 255;
        rgb.extend(pixel[..3].iter().map(|ink| mixed(ink) as u8));
    }
    rgb
}

/// CMYK as RGB, through its profile where there is one; what there is to say
/// about that goes to `notes`.
pub fn cmyk_to_rgb(profile: Option<&[u8]>, cmyk: &[u8], notes: &mut Vec<String>) -> Vec<u8> {
    if let Some(profile) = profile {
        if let Some(rgb) = cmyk_through(profile, cmyk) {
            notes.push("CMYK, converted to sRGB through its colour profile".to_owned());
            return rgb;
        }
        notes.push(
            "CMYK with a colour profile that cannot be used, converted to RGB without it"
                .to_owned(),
        );
    } else {
        notes.push("CMYK without a colour profile, converted to RGB naively".to_owned());
    }
    cmyk_naively(cmyk)
}

/// Converts the colours of a picture from `profile` to sRGB; false where that
/// cannot be done. A gray picture stays gray.
pub fn convert_to_srgb(picture: &mut Picture, profile: &[u8]) -> bool {
    converted(picture, profile).is_some_and(|rgb| {
        picture.rgb = rgb;
        true
    })
}

fn converted(picture: &Picture, profile: &[u8]) -> Option<Samples> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let is_gray = match profile.color_space {
        DataColorSpace::Gray if picture.gray => true,
        DataColorSpace::Rgb => false,
        _ => return None,
    };
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let from = if is_gray { Layout::Gray } else { Layout::Rgb };
    let taken = if is_gray { &[0][..] } else { &[0, 1, 2] };
    let mut result = match picture.rgb.picked(3, taken) {
        Samples::U8(input) => {
            let mut output = vec![0u8; picture.rgb.len()];
            let transform = profile.create_transform_8bit(from, &srgb, Layout::Rgb, options);
            transform.ok()?.transform(&input, &mut output).ok()?;
            Picture::new(picture.width, picture.height, output)
        }
        Samples::U16(input) => {
            let mut output = vec![0u16; picture.rgb.len()];
            let transform = profile.create_transform_16bit(from, &srgb, Layout::Rgb, options);
            transform.ok()?.transform(&input, &mut output).ok()?;
            Picture::with_samples(picture.width, picture.height, output.into())
        }
    };
    if picture.gray {
        result = result.into_gray();
    }
    Some(result.rgb)
}

/// The profile of colours that were encoded with an exponent (0.45455 for a
/// display of 2.2) and, where they are known, these primaries and white:
/// x and y of white, red, green and blue.
pub fn profile_of_gamma(gamma: f64, primaries: Option<[f64; 8]>, gray: bool) -> Option<Vec<u8>> {
    let exponent = (1.0 / gamma) as f32;
    let profile = if gray {
        ColorProfile::new_gray_with_gamma(exponent)
    } else {
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None;
        profile.description = None;
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
    profile.encode().ok()
}

/// The profile of code points for video (ITU-T H.273).
pub fn profile_of_code_points(primaries: u8, transfer: u8) -> Option<Vec<u8>> {
    let code_points = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    let profile = ColorProfile::new_from_cicp(code_points);
    profile.red_trc.as_ref()?;
    profile.encode().ok()
}
