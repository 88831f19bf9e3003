//! PNG files.

use super::super::{ImageProblem, Picture, Samples, error::innermost_message};
use super::Pixels;
use ::png::{BitDepth, ColorType, Encoder, EncodingError, Info, PixelDimensions, Unit};
use std::borrow::Cow;

pub fn encode(picture: &Picture, pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageProblem> {
    let metadata = &picture.metadata;
    let mut info = Info::with_size(picture.width as u32, picture.height as u32);
    info.color_type = match pixels.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    info.icc_profile = metadata.icc_profile.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    info.pixel_dims = metadata.dpi.map(|dpi| {
        let [xppu, yppu] = dpi.map(|dpi| (dpi / 0.0254).round() as u32);
        let unit = Unit::Meter;
        PixelDimensions { xppu, yppu, unit }
    });
    let samples = match &*pixels.samples {
        Samples::U8(samples) => Cow::Borrowed(&samples[..]),
        Samples::U16(samples) => {
            info.bit_depth = BitDepth::Sixteen;
            Cow::Owned(samples.iter().flat_map(|v| v.to_be_bytes()).collect())
        }
    };
    let mut bytes = Vec::new();
    let write = || -> Result<(), EncodingError> {
        let mut encoder = Encoder::with_info(&mut bytes, info)?;
        if let Some(xmp) = metadata.xmp.as_deref().and_then(|x| str::from_utf8(x).ok()) {
            let keyword = "XML:com.adobe.xmp".to_owned();
            encoder.add_itxt_chunk(keyword, xmp.to_owned())?;
        }
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&samples)?;
        writer.finish()
    };
    write().map_err(|error| ImageProblem::Encode(innermost_message(&error)))?;
    Ok(bytes)
}
