//! TIFF files: the `tiff` crate reads the directories, and the pixels are
//! taken from the strips and tiles here, because few of the many ways to
//! store them are known to it.

mod colors;
mod fax;
mod layout;
mod pixels;
mod samples;
mod unpack;
mod ycbcr;

use super::super::exif::{self, Directories, Field};
use super::super::iptc;
use super::super::raster::{PROFILE_IS_DAMAGED, Raster};
use super::super::{ImageProblem, Metadata, error::innermost_message, orientation::Orientation};
use super::{
    DecodeOptions, HEADER_BYTES, Size, Source, check_frame, check_size, io_problem, tolerate,
};
use ::tiff::TiffError;
use ::tiff::decoder::{Decoder, Limits, ifd::Value};
use ::tiff::tags::{ByteOrder, IfdPointer, Tag};
use colors::Interpreter;
use layout::Layout;

/// A file and the directory that is looked at.
type File<'a> = Decoder<&'a mut Source>;

const NEW_SUBFILE_TYPE: u16 = 254;
const DNG_VERSION: u16 = 50_706;
const XMP: u16 = 700;
const ICC_PROFILE: u16 = 34_675;
const IPTC: u16 = 33_723;
/// Resources of Photoshop.
const PHOTOSHOP: u16 = 34_377;

/// More directories than any file of pages has.
const MAX_PAGES: usize = 10_000;

pub fn size(source: &mut Source, max_pixels: u64) -> Result<Size, ImageProblem> {
    let (mut file, _) = open(source, 0)?;
    page_size(&mut file, max_pixels)
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
    let pages = pages.directories.into_iter();
    pages
        .map(|page| {
            file.seek_to_image(page).map_err(problem)?;
            page_size(&mut file, options.max_pixels)
        })
        .collect()
}

fn page_size(file: &mut File<'_>, max_pixels: u64) -> Result<Size, ImageProblem> {
    let (width, height) = file.dimensions().map_err(problem)?;
    check_size([width, height], max_pixels)?;
    Ok(([width, height], orientation(file)?))
}

pub fn decode(source: &mut Source, options: &DecodeOptions) -> Result<Raster, ImageProblem> {
    let length = super::length(source)?;
    let (mut file, pages) = open(source, options.frame.unwrap_or(0))?;
    let (_, orientation) = page_size(&mut file, options.max_pixels)?;
    let layout = Layout::read(&mut file, options.max_pixels)?;
    let mut metadata = metadata(&mut file);
    let mut notes = Vec::new();
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
    let pixels = pixels::read(
        &mut file,
        &layout,
        length,
        orientation,
        &interpreter,
        options,
        &mut notes,
    )?;
    let mut raster = Raster::new(pixels);
    raster.notes = notes;
    raster.metadata = metadata;
    Ok(raster)
}

/// The images of a file that are no thumbnails.
struct Pages {
    directories: Vec<usize>,
    /// Why there may be more than these.
    lacking: Option<String>,
}

/// Opens one of the images that are no thumbnails.
fn open(source: &mut Source, wanted: usize) -> Result<(File<'_>, Pages), ImageProblem> {
    let length = super::length(source)? as usize;
    let limits = || {
        let mut limits = Limits::unlimited();
        limits.ifd_value_size = HEADER_BYTES as usize;
        // No tag has more values than the file has bytes.
        limits.decoding_buffer_size = length.saturating_mul(size_of::<Value>());
        limits
    };
    let mut file = Decoder::new(source).map_err(problem)?.with_limits(limits());
    if unsigned(&mut file, DNG_VERSION)?.is_some() {
        return Err(ImageProblem::Format("a camera's raw file (DNG)"));
    }
    let mut pages = Vec::new();
    let mut index = 0;
    let mut end = None;
    loop {
        // Bit 0: a smaller version of another; bit 2: a mask of another.
        let kind = unsigned(&mut file, NEW_SUBFILE_TYPE)?.unwrap_or(0);
        if kind & 0b101 == 0 {
            pages.push(index);
        }
        index += 1;
        if !file.more_images() {
            break;
        }
        if index == MAX_PAGES {
            end = Some(format!("more than {MAX_PAGES} pages are not read"));
            break;
        }
        if let Err(error) = file.next_image() {
            end = Some(innermost_message(&error));
            if let problem @ ImageProblem::Read(_) = problem(error) {
                return Err(problem);
            }
            break;
        }
    }
    if pages.is_empty() {
        pages.push(0);
    }
    check_frame(wanted, pages.len())?;
    file.seek_to_image(pages[wanted]).map_err(problem)?;
    let last = pages.len();
    let pages = Pages {
        directories: pages,
        lacking: end.map(|end| format!("what follows page {last} cannot be read ({end})")),
    };
    Ok((file, pages))
}

fn orientation(file: &mut File<'_>) -> Result<Orientation, ImageProblem> {
    let number = unsigned(file, exif::ORIENTATION)?.unwrap_or(1);
    Ok(Orientation::new(number as u32))
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

/// The bytes of a tag, whatever their type.
fn bytes(file: &mut File<'_>, number: u16) -> Option<Vec<u8>> {
    let field = field(number, &file.find_tag(tag(number)).ok()??)?;
    Some(field.data)
}

fn metadata(file: &mut File<'_>) -> Metadata {
    let rational = |file: &mut File<'_>, number| rationals(file, number).ok()??.first().copied();
    let scale = match unsigned(file, exif::RESOLUTION_UNIT).ok().flatten() {
        None | Some(2) => Some(1.0),
        Some(3) => Some(2.54),
        _ => None,
    };
    let x = rational(file, exif::X_RESOLUTION);
    let y = rational(file, exif::Y_RESOLUTION);
    let dpi = match (scale, x, y) {
        (Some(scale), Some(x), Some(y)) if x > 0.0 && y > 0.0 => Some([x * scale, y * scale]),
        _ => None,
    };
    let main = exif::DESCRIPTIVE.into_iter().filter_map(|number| {
        let value = file.find_tag(tag(number)).ok()??;
        field(number, &value)
    });
    let mut directories = Directories {
        main: main.collect(),
        ..Directories::default()
    };
    directories.exif = sub_directory(file, exif::EXIF_DIRECTORY);
    directories.gps = sub_directory(file, exif::GPS_DIRECTORY);
    Metadata {
        icc_profile: bytes(file, ICC_PROFILE),
        exif: (!directories.is_empty()).then(|| directories.to_block()),
        xmp: bytes(file, XMP),
        dpi,
        iptc: iptc(file),
        ..Metadata::default()
    }
}

/// IPTC, by itself or among Photoshop's resources.
fn iptc(file: &mut File<'_>) -> Option<Vec<u8>> {
    if let Ok(Some(value)) = file.find_tag(tag(IPTC))
        && let Some(mut found) = field(IPTC, &value)
    {
        // Most writers call its bytes numbers of 32 bits, which they are not.
        if found.kind == 4 && file.byte_order() == ByteOrder::BigEndian {
            found.data.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        }
        return Some(found.data).filter(|data| !data.is_empty());
    }
    iptc::of_resources(&bytes(file, PHOTOSHOP)?)
}

fn sub_directory(file: &mut File<'_>, number: u16) -> Vec<Field> {
    let read = |file: &mut File<'_>| {
        let pointer = unsigned(file, number).ok()??;
        let directory = file.read_directory(IfdPointer(pointer)).ok()?;
        let tags = file.read_directory_tags(&directory).tag_iter();
        let fields = tags.filter_map(|entry| {
            let (tag, value) = entry.ok()?;
            field(tag.to_u16(), &value)
        });
        Some(fields.collect())
    };
    read(file).unwrap_or_default()
}

/// A value as EXIF stores it; none for types that it does not have.
fn field(tag: u16, value: &Value) -> Option<Field> {
    let values = match value {
        Value::List(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    let mut data = Vec::new();
    let mut kind = 0;
    for value in values {
        kind = match value {
            Value::Byte(v) => {
                data.push(*v);
                1
            }
            Value::Ascii(text) => {
                data.extend(text.as_bytes());
                data.push(0);
                2
            }
            Value::Short(v) => {
                data.extend(v.to_le_bytes());
                3
            }
            Value::Unsigned(v) => {
                data.extend(v.to_le_bytes());
                4
            }
            Value::Rational(over, under) => {
                data.extend(over.to_le_bytes());
                data.extend(under.to_le_bytes());
                5
            }
            // Bytes without a meaning come as this too.
            Value::SignedByte(v) => {
                data.extend(v.to_le_bytes());
                7
            }
            Value::SignedShort(v) => {
                data.extend(v.to_le_bytes());
                8
            }
            Value::Signed(v) => {
                data.extend(v.to_le_bytes());
                9
            }
            Value::SRational(over, under) => {
                data.extend(over.to_le_bytes());
                data.extend(under.to_le_bytes());
                10
            }
            _ => return None,
        };
    }
    let count = data.len() / exif::kind_bytes(kind)?;
    Some(Field {
        tag,
        kind,
        count: count as u32,
        data,
    })
}

fn problem(error: TiffError) -> ImageProblem {
    match error {
        TiffError::LimitsExceeded => ImageProblem::Memory,
        TiffError::UnsupportedError(error) => ImageProblem::Feature(innermost_message(&error)),
        TiffError::IoError(error) => io_problem(error),
        error => ImageProblem::Damaged(innermost_message(&error)),
    }
}
