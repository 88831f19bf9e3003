//! TIFF files: the `tiff` crate reads the directories, and the pixels are
//! taken from the strips and tiles here, because few of the many ways to
//! store them are known to it.

mod colors;
mod fax;
mod layout;
mod metadata;
mod pages;
mod pixels;
mod samples;
mod unpack;
mod ycbcr;

use super::super::raster::{PROFILE_IS_DAMAGED, Raster};
use super::super::{ImageProblem, error::innermost_message, orientation::Orientation};
use super::super::{exif, text};
use super::replaced::Replaced;
use super::{DecodeOptions, Size, Source, check_size, io_problem, tolerate};
use ::tiff::decoder::{Decoder, IfdDecoder, ifd::Value};
use ::tiff::tags::Tag;
use ::tiff::{TiffError, TiffFormatError, TiffUnsupportedError};
use colors::Interpreter;
use layout::Layout;
use metadata::{bytes, metadata};
use pages::open;

/// A file and the directory that is looked at.
type File<'a> = Decoder<Replaced<&'a mut Source>>;

const ICC_PROFILE: u16 = 34_675;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let (mut file, pages) = open(source, 0)?;
    page_size(&mut file, pages.orientation, max_pixels)
}

/// The sizes of all pages.
pub fn page_sizes(
    source: &mut Source,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Size>, ImageProblem> {
    let (mut file, pages) = open(source, 0)?;
    if let Some(reason) = pages.lacking {
        tolerate(ImageProblem::Incomplete(reason), options, notes)?;
    }
    let directories = pages.directories.into_iter();
    directories
        .map(|page| {
            file.seek_to_image(page).map_err(problem)?;
            page_size(&mut file, pages.orientation, options.max_pixels)
        })
        .collect()
}

/// The size of the picture, and how it is turned: otherwise as `above` it.
fn page_size(
    file: &mut File<'_>,
    above: Option<u64>,
    max_pixels: u64,
) -> Result<Size, ImageProblem> {
    let (width, height) = file.dimensions().map_err(problem)?;
    check_size([width, height], max_pixels)?;
    let stated = stated(&mut file.image_ifd(), exif::ORIENTATION)?;
    let number = stated.or(above).unwrap_or(1);
    Ok(([width, height], Orientation::new(number as u32)))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let length = super::length(source)?;
    let (mut file, pages) = open(source, options.frame.unwrap_or(0))?;
    let (_, orientation) = page_size(&mut file, pages.orientation, options.max_pixels)?;
    let layout = Layout::read(&mut file, length, options.max_pixels)?;
    let mut notes = pages.notes;
    let mut lost = pages.lost;
    let mut metadata = metadata(&mut file, length, &mut lost);
    if options.metadata && !lost.is_empty() {
        let names = text::names(lost.iter().map(String::as_str));
        notes.push(format!(
            "what cannot be kept of its tags was left out: {names}"
        ));
    }
    if let Some(above) = pages.metadata {
        metadata.exif = above.exif.or(metadata.exif);
        metadata.xmp = metadata.xmp.or(above.xmp);
        metadata.iptc = metadata.iptc.or(above.iptc);
    }
    let states_profile = file
        .find_tag(tag(ICC_PROFILE))
        .map_or(true, |tag| tag.is_some());
    if states_profile && metadata.icc_profile.is_none() {
        notes.push(PROFILE_IS_DAMAGED.to_owned());
    }
    if options.frame.is_none() {
        let count = pages.directories.len();
        if count > 1 {
            notes.push(format!("page 1 of {count}; the others are left out"));
        }
        notes.extend(pages.lacking);
    }
    let interpreter = Interpreter::new(&layout, &mut metadata.icc_profile, &mut notes)?;
    let mut pixels = pixels::read(
        &mut file,
        &layout,
        length,
        orientation,
        &interpreter,
        options,
        &mut notes,
    )?;
    pixels.set_palette(interpreter.palette());
    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    raster.states_space = layout.colors.become_srgb();
    raster.metadata = metadata;
    Ok(raster)
}

fn tag(number: u16) -> Tag {
    Tag::from_u16_exhaustive(number)
}

/// The first value of a tag.
fn unsigned(file: &mut File<'_>, number: u16) -> Result<Option<u64>, ImageProblem> {
    Ok(all_unsigned(file, number)?.and_then(|values| values.first().copied()))
}

fn all_unsigned(file: &mut File<'_>, number: u16) -> Result<Option<Vec<u64>>, ImageProblem> {
    file.find_tag_unsigned_vec(tag(number)).map_err(problem)
}

/// The first value of a tag that a picture can do without.
fn stated(tags: &mut IfdDecoder<'_>, number: u16) -> Result<Option<u64>, ImageProblem> {
    const MOST: usize = 16;
    let values = all_stated(tags, number, MOST)?;
    Ok(values.and_then(|values| values.first().copied()))
}

/// The values of a tag that a picture can do without: none where they make no sense, or
/// are more than `most`.
fn all_stated(
    tags: &mut IfdDecoder<'_>,
    number: u16,
    most: usize,
) -> Result<Option<Vec<u64>>, ImageProblem> {
    let entry = tags.find_entry(tag(number));
    if entry.is_none_or(|entry| entry.count() > most as u64) {
        return Ok(None);
    }
    match tags.find_tag_unsigned_vec(tag(number)).map_err(problem) {
        Err(problem @ ImageProblem::Read(_)) => Err(problem),
        values => Ok(values.ok().flatten()),
    }
}

/// The values of a tag of fractions.
fn rationals(file: &mut File<'_>, number: u16) -> Result<Option<Vec<f64>>, ImageProblem> {
    let Some(value) = file.find_tag(tag(number)).map_err(problem)? else {
        return Ok(None);
    };
    let values = match &value {
        Value::List(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    Ok(values
        .iter()
        .map(|value| match value {
            Value::Rational(over, under) if *under != 0 => {
                Some(f64::from(*over) / f64::from(*under))
            }
            _ => None,
        })
        .collect())
}

/// What a decoder does not know, whose own words are those of its code.
fn unsupported(error: &TiffUnsupportedError) -> String {
    use TiffUnsupportedError as Unsupported;
    let what = match error {
        Unsupported::InconsistentBitsPerSample(_) => "samples of different sizes",
        Unsupported::UnsupportedSampleFormat(_) => "samples of different kinds",
        Unsupported::UnknownInterpretation | Unsupported::UnsupportedInterpretation(_) => {
            "colours of a kind that is not known"
        }
        Unsupported::UnknownCompressionMethod | Unsupported::UnsupportedCompressionMethod(_) => {
            "a compression that is not known"
        }
        Unsupported::UnsupportedSampleDepth(count) => {
            return format!("{count} samples a pixel in TIFF");
        }
        Unsupported::UnsupportedPlanarConfig(_) => "an order of samples that is not known",
        _ => "a kind of pixels that is not known",
    };
    format!("{what} in TIFF")
}

fn problem(error: TiffError) -> ImageProblem {
    match error {
        TiffError::LimitsExceeded => ImageProblem::Memory,
        TiffError::UnsupportedError(error) => ImageProblem::Feature(unsupported(&error)),
        TiffError::IoError(error) => io_problem(error),
        TiffError::FormatError(TiffFormatError::StripTileTagConflict) => {
            ImageProblem::Damaged("the places or lengths of its strips are not stated".to_owned())
        }
        error => ImageProblem::Damaged(innermost_message(&error)),
    }
}
