//! PNM files.

use super::super::ImageProblem;
use super::super::format::{Format, recognise};
use super::super::raster::Raster;
use super::codec::{checked_size, decode_whole, problem};
use super::padded::Padded;
use super::{DecodeOptions, Size, Source};
use ::image::codecs::pnm::{PnmDecoder, SampleEncoding};
use std::io::Read;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    checked_size(&PnmDecoder::new(source).map_err(problem)?, max_pixels)
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let (padded, padding) = Padded::new(source);
    let decoder = PnmDecoder::new(padded).map_err(problem)?;
    if decoder.subtype().sample_encoding() == SampleEncoding::Ascii {
        padding.set_text();
    }
    let mut raster = decode_whole(decoder, &padding, options)?;
    // Texts hold one image.
    if !padding.is_text() && is_followed(source)? {
        raster.note("a stream of several images; only the first is used");
    }
    Ok(raster)
}

/// Whether another image begins here.
fn is_followed(source: &mut Source) -> Result<bool, ImageProblem> {
    let mut start = Vec::new();
    let mut bytes = source.take(3);
    bytes.read_to_end(&mut start).map_err(ImageProblem::Read)?;
    Ok(matches!(recognise(&start), Ok(Format::Pnm)))
}
