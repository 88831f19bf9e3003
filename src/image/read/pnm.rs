//! PNM files.

use super::super::ImageProblem;
use super::super::raster::Raster;
use super::codec::{checked_size, decode_whole, problem};
use super::padded::Padded;
use super::{DecodeOptions, Size, Source};
use ::image::codecs::pnm::{PnmDecoder, SampleEncoding};

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    checked_size(&PnmDecoder::new(source).map_err(problem)?, max_pixels)
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let (source, padding) = Padded::new(source);
    let decoder = PnmDecoder::new(source).map_err(problem)?;
    if decoder.subtype().sample_encoding() == SampleEncoding::Ascii {
        padding.set_text();
    }
    decode_whole(decoder, &padding, options)
}
