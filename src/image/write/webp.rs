//! WebP files, lossless.

use super::super::{ImageProblem, Samples, error::innermost_message, exif};
use super::output::Output;
use super::rows::Rows;
use crate::host_memory::probe;
use image_webp::{ColorType, WebPEncoder};

/// The encoder takes the whole image. A side has at most 16,383 pixels.
pub fn encode(rows: &mut Rows<'_>, output: &mut Output<'_>) -> Result<(), ImageProblem> {
    let pixels = rows.head.width * rows.head.height;
    let mut samples = Samples::from(Vec::<u8>::new());
    while let Some(more) = rows.next()? {
        samples.append(more, pixels * rows.channels)?;
    }
    // A copy with alpha, and the file.
    probe(12 * pixels)?;
    let metadata = &rows.head.metadata;
    let mut encoder = WebPEncoder::new(output);
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
    let color = match rows.channels {
        3 => ColorType::Rgb8,
        _ => ColorType::Rgba8,
    };
    let (width, height) = (rows.head.width as u32, rows.head.height as u32);
    encoder
        .encode(&samples.to_u8(), width, height, color)
        .map_err(|error| ImageProblem::Encode(innermost_message(&error)))
}
