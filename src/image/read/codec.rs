//! What the decoders of the `image` crate need around them.

use super::super::pixels::Pixels;
use super::super::raster::Raster;
use super::super::{ImageProblem, Samples, error::innermost_message, orientation::Orientation};
use super::padded::Padding;
use super::{
    DecodeOptions, HEADER_BYTES, Size, check_size, cut_off, io_problem, nothing_read, tolerate,
};
use ::image::error::{ImageError as CodecError, UnsupportedErrorKind};
use ::image::{ColorType, ImageDecoder, Limits};

/// The memory for each pixel: four 16-bit samples, twice.
const PIXEL_BYTES: u64 = 16;

/// Decodes an image of one frame from a padded source.
pub fn decode_whole(
    mut decoder: impl ImageDecoder,
    padding: &Padding,
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
    padding.start();
    let mut notes = Vec::new();
    if let Err(error) = decoder.read_image(samples.bytes_mut()) {
        let problem = problem(error);
        if padding.is_text() {
            // Its numbers become samples only when all are read.
            return Err(problem);
        }
        if samples.all_zero() {
            return Err(nothing_read(problem));
        }
        tolerate(problem.after_header(), options, &mut notes)?;
    }
    if padding.is_used() {
        match padding.bytes_before() {
            0 => return Err(nothing_read(cut_off())),
            _ => tolerate(cut_off(), options, &mut notes)?,
        }
    }
    let pixels = Pixels::whole(
        size,
        channels,
        samples,
        Orientation::UPRIGHT,
        options.in_memory,
    )?;
    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    Ok(raster)
}

/// The size that a decoder has read from the header.
pub fn checked_size(decoder: &impl ImageDecoder, max_pixels: u64) -> Result<Size, ImageProblem> {
    let (width, height) = decoder.dimensions();
    check_size([width, height], max_pixels)?;
    Ok(([width, height], Orientation::UPRIGHT))
}

pub fn limits([width, height]: [u32; 2]) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(HEADER_BYTES + PIXEL_BYTES * u64::from(width) * u64::from(height));
    limits
}

/// What the codec's error means to the user.
pub fn problem(error: CodecError) -> ImageProblem {
    match error {
        CodecError::Limits(_) => ImageProblem::Memory,
        // The words of the decoder are those of its code.
        CodecError::Unsupported(error) => match error.kind() {
            UnsupportedErrorKind::GenericFeature(what) => match what.strip_prefix("Tuple type ") {
                Some(name) => {
                    let name = name.trim_matches('"');
                    ImageProblem::Feature(format!("pixels of the type {name} in PAM"))
                }
                None => ImageProblem::Damaged("its header makes no sense".to_owned()),
            },
            _ => ImageProblem::Feature("a kind of its format that is not known".to_owned()),
        },
        CodecError::IoError(error) => io_problem(error),
        error => ImageProblem::Damaged(innermost_message(&error)),
    }
}
