//! Formats whose decoders need no help: GIF and PNM.

use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Samples, error::innermost_message, orientation::Orientation};
use super::{
    DecodeOptions, HEADER_BYTES, Size, Source, check_frame, check_size, io_problem, tolerate,
};
use crate::host_memory::probe;
use ::image::codecs::{gif::GifDecoder, pnm::PnmDecoder};
use ::image::error::ImageError as CodecError;
use ::image::{AnimationDecoder, ColorType, ImageDecoder, Limits};
use std::time::Duration;

/// The memory for each pixel: four 16-bit samples, twice.
const PIXEL_BYTES: u64 = 16;

pub fn gif_size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    checked_size(&GifDecoder::new(source).map_err(problem)?, max_pixels)
}

pub fn pnm_size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    checked_size(&PnmDecoder::new(source).map_err(problem)?, max_pixels)
}

pub fn decode_gif(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let mut decoder = GifDecoder::new(source).map_err(problem)?;
    let (size, _) = checked_size(&decoder, options.max_pixels)?;
    decoder.set_limits(limits(size)).map_err(problem)?;
    // The canvas and a frame.
    probe(8 * size[0] as usize * size[1] as usize)?;
    let mut frames = decoder.into_frames();
    let wanted = options.frame.unwrap_or(0);
    for index in 0..wanted {
        match frames.next() {
            Some(frame) => drop(frame.map_err(problem)?),
            None => return Err(check_frame(wanted, index).unwrap_err()),
        }
    }
    let Some(frame) = frames.next() else {
        let none = || ImageProblem::Damaged("it holds no image".to_owned());
        check_frame(wanted, wanted.max(1))?;
        return Err(none());
    };
    let pixels = frame.map_err(problem)?.into_buffer();
    let pixels = Pixels::whole(
        size,
        4,
        pixels.into_raw().into(),
        Orientation::UPRIGHT,
        options.in_memory,
    )?;
    let mut raster = Raster::new(pixels);
    if options.frame.is_none() && frames.next().is_some() {
        raster.note("an animation; only the first frame is used");
    }
    Ok(raster)
}

/// How long each frame is shown.
pub fn gif_durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let mut decoder = GifDecoder::new(source).map_err(problem)?;
    let (size, _) = checked_size(&decoder, options.max_pixels)?;
    decoder.set_limits(limits(size)).map_err(problem)?;
    probe(8 * size[0] as usize * size[1] as usize)?;
    let mut durations = Vec::new();
    for frame in decoder.into_frames() {
        match frame.map_err(problem) {
            Ok(frame) => durations.push(frame.delay().into()),
            Err(ImageProblem::Damaged(reason) | ImageProblem::Incomplete(reason)) => {
                let number = durations.len() + 1;
                let reason = format!("from frame {number} on: {reason}");
                tolerate(ImageProblem::Incomplete(reason), options, notes)?;
                break;
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(durations)
}

pub fn decode_pnm(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let decoder = PnmDecoder::new(source).map_err(problem)?;
    decode_whole(decoder, options)
}

/// Decodes an image of one frame.
pub fn decode_whole(
    mut decoder: impl ImageDecoder,
    options: &DecodeOptions,
) -> Result<Raster, ImageProblem> {
    let (size, _) = checked_size(&decoder, options.max_pixels)?;
    decoder.set_limits(limits(size)).map_err(problem)?;
    let color = decoder.color_type();
    let bits = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => 8,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => 16,
        _ => {
            return Err(ImageProblem::Feature(
                "samples in floating point".to_owned(),
            ));
        }
    };
    let channels = usize::from(color.channel_count());
    let count = channels * size[0] as usize * size[1] as usize;
    let mut samples = Samples::zeros(count, bits, options.in_memory)?;
    decoder.read_image(samples.bytes_mut()).map_err(problem)?;
    let pixels = Pixels::whole(
        size,
        channels,
        samples,
        Orientation::UPRIGHT,
        options.in_memory,
    )?;
    Ok(Raster::new(pixels))
}

/// The size that a decoder has read from the header.
pub fn checked_size(decoder: &impl ImageDecoder, max_pixels: u64) -> Result<Size, ImageProblem> {
    let (width, height) = decoder.dimensions();
    check_size([width, height], max_pixels)?;
    Ok(([width, height], Orientation::UPRIGHT))
}

fn limits([width, height]: [u32; 2]) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(HEADER_BYTES + PIXEL_BYTES * u64::from(width) * u64::from(height));
    limits
}

/// What the codec's error means to the user.
pub fn problem(error: CodecError) -> ImageProblem {
    match error {
        CodecError::Limits(_) => ImageProblem::Memory,
        CodecError::Unsupported(error) => ImageProblem::Feature(innermost_message(&error)),
        CodecError::IoError(error) => io_problem(error),
        error => ImageProblem::Damaged(innermost_message(&error)),
    }
}
