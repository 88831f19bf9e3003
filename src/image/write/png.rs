//! PNG files.

use super::super::{ImageProblem, Samples, error::innermost_message};
use super::output::Output;
use super::rows::Rows;
use super::words;
use crate::host_memory::{collected, probe};
use ::png::{BitDepth, ColorType, Encoder, EncodingError, Info, PixelDimensions, Unit};
use std::borrow::Cow;
use std::io::Write;

/// Bytes of a chunk of pixels.
const CHUNK: usize = 1 << 16;

pub fn encode(rows: &mut Rows<'_>, output: &mut Output<'_>) -> Result<(), ImageProblem> {
    let metadata = &rows.head.metadata;
    let mut info = Info::with_size(rows.head.width as u32, rows.head.height as u32);
    info.color_type = match rows.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    if rows.bits == 16 {
        info.bit_depth = BitDepth::Sixteen;
    }
    info.icc_profile = metadata.icc_profile.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    info.pixel_dims = metadata.dpi.map(|dpi| {
        let [xppu, yppu] = dpi.map(|dpi| (dpi / 0.0254).round() as u32);
        let unit = Unit::Meter;
        PixelDimensions { xppu, yppu, unit }
    });
    words::add_to_png(&mut info, metadata);
    // Rows that it filters in several ways.
    probe(16 * rows.row_samples())?;
    let mut encoder = Encoder::with_info(output, info).map_err(refused)?;
    if let Some(xmp) = metadata.xmp.as_deref().and_then(|x| str::from_utf8(x).ok()) {
        let keyword = "XML:com.adobe.xmp".to_owned();
        encoder
            .add_itxt_chunk(keyword, xmp.to_owned())
            .map_err(refused)?;
    }
    let mut writer = encoder.write_header().map_err(refused)?;
    let mut stream = writer.stream_writer_with_size(CHUNK).map_err(refused)?;
    while let Some(samples) = rows.next()? {
        let bytes: Cow<'_, [u8]> = match &samples {
            Samples::U8(samples) => Cow::Borrowed(samples),
            Samples::U16(samples) => {
                let bytes = samples.iter().flat_map(|v| v.to_be_bytes());
                collected(2 * samples.len(), bytes)?.into()
            }
        };
        stream
            .write_all(&bytes)
            .map_err(|error| refused(error.into()))?;
    }
    stream.finish().map_err(refused)?;
    writer.finish().map_err(refused)
}

fn refused(error: EncodingError) -> ImageProblem {
    ImageProblem::Encode(innermost_message(&error))
}
