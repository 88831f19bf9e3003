//! Formats whose decoders need no help: GIF and PNM.

use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Samples, error::innermost_message, orientation::Orientation};
use super::frames::{Opened, Progress, Sequence};
use super::{
    DecodeOptions, HEADER_BYTES, Size, Source, check_size, io_problem, no_frame, tolerate,
};
use crate::host_memory::probe;
use ::image::codecs::{gif::GifDecoder, pnm::PnmDecoder};
use ::image::error::ImageError as CodecError;
use ::image::{AnimationDecoder, ColorType, Frame, Frames, ImageDecoder, Limits};
use std::io::{BufRead, Seek};
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
    let (size, mut frames) = gif_frames(source, options)?;
    let frame = frames.next().ok_or_else(no_image)?.map_err(problem)?;
    let mut raster = raster_of_gif(frame, size, options.in_memory)?;
    if frames.next().is_some() {
        raster.note("an animation; only the first frame is used");
    }
    Ok(raster)
}

/// The frames, composed as viewers show them.
fn gif_frames<'a>(
    source: impl BufRead + Seek + 'a,
    options: &DecodeOptions,
) -> Result<([u32; 2], Frames<'a>), ImageProblem> {
    let mut decoder = GifDecoder::new(source).map_err(problem)?;
    let (size, _) = checked_size(&decoder, options.max_pixels)?;
    decoder.set_limits(limits(size)).map_err(problem)?;
    // The canvas and a frame.
    probe(8 * size[0] as usize * size[1] as usize)?;
    Ok((size, decoder.into_frames()))
}

fn raster_of_gif(frame: Frame, size: [u32; 2], in_memory: u64) -> Result<Raster, ImageProblem> {
    let samples = frame.into_buffer().into_raw().into();
    let pixels = Pixels::whole(size, 4, samples, Orientation::UPRIGHT, in_memory)?;
    Ok(Raster::new(pixels))
}

fn no_image() -> ImageProblem {
    ImageProblem::Damaged("it holds no image".to_owned())
}

struct GifAnimation {
    size: [u32; 2],
    frames: Frames<'static>,
    progress: Progress,
    in_memory: u64,
}

pub fn open_gif(source: Source, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    let (size, frames) = gif_frames(source, options)?;
    Ok(Opened::Sequence(Box::new(GifAnimation {
        size,
        frames,
        progress: Progress::default(),
        in_memory: options.in_memory,
    })))
}

impl Sequence for GifAnimation {
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem> {
        let frames = &mut self.frames;
        let frame = self.progress.advance(wanted, |index| match frames.next() {
            Some(frame) => frame.map_err(problem),
            None if index == 0 => Err(no_image()),
            None => Err(no_frame(wanted, index)),
        })?;
        raster_of_gif(frame, self.size, self.in_memory)
    }
}

/// How long each frame is shown.
pub fn gif_durations(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Duration>, ImageProblem> {
    let (_, frames) = gif_frames(source, options)?;
    let mut durations = Vec::new();
    for frame in frames {
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
