//! WebP files, lossless.

use super::super::{ImageProblem, Picture, error::innermost_message, exif};
use super::Pixels;
use image_webp::{ColorType, WebPEncoder};

pub fn encode(picture: &Picture, pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageProblem> {
    let metadata = &picture.metadata;
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new(&mut bytes);
    if let Some(profile) = &metadata.icc_profile {
        encoder.set_icc_profile(profile.clone());
    }
    // WebP has no other place for a resolution.
    let block = match (&metadata.exif, metadata.dpi) {
        (Some(block), Some(dpi)) => Some(exif::with_dpi(block, dpi)),
        (None, Some(dpi)) => Some(exif::of_dpi(dpi)),
        (block, None) => block.clone(),
    };
    if let Some(block) = block {
        encoder.set_exif_metadata(block);
    }
    if let Some(packet) = &metadata.xmp {
        encoder.set_xmp_metadata(packet.clone());
    }
    let color = match pixels.channels {
        3 => ColorType::Rgb8,
        _ => ColorType::Rgba8,
    };
    let (width, height) = (picture.width as u32, picture.height as u32);
    encoder
        .encode(&pixels.samples.to_u8(), width, height, color)
        .map_err(|error| ImageProblem::Encode(innermost_message(&error)))?;
    Ok(bytes)
}
