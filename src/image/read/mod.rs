//! Image files to pixels.

#[cfg(feature = "avif")]
mod avif;
mod bmp;
mod canvas;
mod codec;
mod faults;
mod frames;
mod gif;
mod gif_blocks;
mod jpeg;
mod jpeg_header;
#[cfg(feature = "jxl")]
mod jxl;
#[cfg(feature = "jxl")]
mod jxl_frames;
mod padded;
mod png;
mod png_frames;
mod png_text;
mod png_walk;
mod pnm;
mod replaced;
mod tiff;
mod webp;
mod webp_frames;
mod zlib;

use super::error::{ImageError, ImageProblem};
use super::format::{Format, SIGNATURE, is_tga, recognise};
use super::guard::guarded;
use super::raster::Raster;
use super::{Picture, orientation::Orientation};
use faults::{END_IS_MISSING, cut_off, damaged, io_problem, nothing_read, tolerate};
use frames::Opened;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

pub use frames::{Frame, FrameReader, Frames, frames};

/// The most pixels of an image that is read, unless more is asked for:
/// 16384 x 16384.
pub const MAX_PIXELS: u64 = 1 << 28;

/// The most bytes of an image's colours that are kept in memory, unless more is asked
/// for: those of 11 megapixels.
pub const IN_MEMORY: u64 = 32 << 20;

/// The most memory a decoder may take for all but pixels: profiles and texts,
/// which a small file may hold deflated.
const HEADER_BYTES: u64 = 64 << 20;

/// How images are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The most pixels that an image may have; more is refused from the
    /// header.
    pub max_pixels: u64,
    /// Whether a file with wrong checksums or missing parts is read as far as
    /// it goes, with a note, and not refused.
    pub tolerant: bool,
    /// Which frame or page of a file of several, counted from 0; none: the first,
    /// with a note that there are others.
    pub frame: Option<usize>,
    /// An image whose colours have more bytes than this is kept in a temporary
    /// file, so that memory holds but the parts of it that are worked on. It is
    /// in the folder that TMPDIR names, else in `/var/tmp` (on Windows, in TEMP).
    pub in_memory: u64,
    /// Whether the image's metadata is of use; else, no note tells what of it cannot be
    /// kept.
    pub metadata: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            max_pixels: MAX_PIXELS,
            tolerant: false,
            frame: None,
            in_memory: IN_MEMORY,
            metadata: true,
        }
    }
}

impl DecodeOptions {
    /// What is incomplete and was not tolerated, though it should be, is damage.
    fn settled(&self, problem: ImageProblem) -> ImageProblem {
        match self.tolerant {
            true => problem.into_damage(),
            false => problem,
        }
    }
}

/// An image, and what the user should know about how its file was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The image.
    pub picture: Picture,
    /// One line each.
    pub notes: Vec<String>,
}

impl Picture {
    /// Reads an image file as [`decode`] does by default, without its notes.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        Ok(decode(path, &DecodeOptions::default())?.picture)
    }
}

/// Reads a PNG, JPEG, WebP, TIFF, BMP, GIF or PNM file, JPEG XL with the
/// feature `jxl`, or AVIF with the feature `avif`.
///
/// The content decides on the format, not the name. The orientation that the
/// file asks for (EXIF, TIFF, AVIF) is applied, an alpha channel that is opaque
/// everywhere is dropped, and of several images the first is taken. Samples
/// of up to 8 bits become 8, of more 16; those in floating point are clamped to
/// [0, 1] and become 16 bits. Colours are not converted, except those of CMYK and
/// CIE L*a*b* files, which become sRGB.
///
/// # Errors
/// When the file cannot be read, is no whole image of these formats, uses
/// something that is not supported, or states more pixels than allowed; the
/// size is checked before any pixel is decoded.
pub fn decode(path: &Path, options: &DecodeOptions) -> Result<Decoded, ImageError> {
    decode_from(open_file(path), path, options)
}

/// [`decode`] of a file that is open already, from its start. Errors call it
/// `name`.
///
/// # Errors
/// As [`decode`].
pub fn decode_file(
    file: &File,
    name: &Path,
    options: &DecodeOptions,
) -> Result<Decoded, ImageError> {
    decode_from(open_again(file, name), name, options)
}

fn decode_from(
    file: Result<(Source, Format), ImageProblem>,
    name: &Path,
    options: &DecodeOptions,
) -> Result<Decoded, ImageError> {
    let result = file.and_then(|(mut file, format)| {
        guarded(|| {
            let raster = match options.frame {
                None => decode_image(&mut file, format, options)?,
                Some(frame) => match frames::open(file, format, options)? {
                    Opened::Sequence(mut sequence) => sequence.frame(frame)?,
                    Opened::Still(mut file) => decode_still(&mut file, format, options)?,
                },
            };
            Ok(raster.into_picture(options.metadata))
        })
    });
    result
        .map(|(picture, notes)| Decoded { picture, notes })
        .map_err(|problem| options.settled(problem).of(name))
}

/// Reads a file that is no animation, or a page of it.
fn decode_still(
    file: &mut Source,
    format: Format,
    options: &DecodeOptions,
) -> Result<Raster, ImageProblem> {
    if let (Some(frame), true) = (options.frame, format != Format::Tiff) {
        check_frame(frame, 1)?;
    }
    decode_image(file, format, options)
}

/// Reads the image, the first of an animation, or a page.
fn decode_image(
    file: &mut Source,
    format: Format,
    options: &DecodeOptions,
) -> Result<Raster, ImageProblem> {
    match format {
        Format::Png => png::decode(file, options),
        Format::Jpeg => jpeg::decode(file, options),
        Format::WebP => webp::decode(file, options),
        Format::Tiff => tiff::decode(file, options),
        Format::Bmp => bmp::decode(file, options),
        Format::Gif => gif::decode(file, options),
        Format::Pnm => pnm::decode(file, options),
        #[cfg(feature = "jxl")]
        Format::Jxl => jxl::decode(file, options),
        #[cfg(feature = "avif")]
        Format::Avif => avif::decode(file, options),
    }
}

/// Width and height of the image that [`Picture::open`] would give, from
/// the header alone.
///
/// # Errors
/// As [`decode`], as far as the header tells.
pub fn dimensions(path: &Path) -> Result<(usize, usize), ImageError> {
    dimensions_within(path, MAX_PIXELS)
}

/// [`dimensions`] of an image that may have `max_pixels`.
///
/// # Errors
/// As [`decode`], as far as the header tells.
pub fn dimensions_within(path: &Path, max_pixels: u64) -> Result<(usize, usize), ImageError> {
    dimensions_from(open_file(path), path, max_pixels)
}

/// [`dimensions_within`] of a file that is open already, from its start.
/// Errors call it `name`.
///
/// # Errors
/// As [`decode`], as far as the header tells.
pub fn dimensions_of_file(
    file: &File,
    name: &Path,
    max_pixels: u64,
) -> Result<(usize, usize), ImageError> {
    dimensions_from(open_again(file, name), name, max_pixels)
}

fn dimensions_from(
    file: Result<(Source, Format), ImageProblem>,
    name: &Path,
    max_pixels: u64,
) -> Result<(usize, usize), ImageError> {
    let result = file.and_then(|(mut file, format)| {
        guarded(|| size_of(&mut file, format, max_pixels).map(shown))
    });
    // Without a header, there is nothing that could be tolerated.
    result.map_err(|problem| problem.into_damage().of(name))
}

fn size_of(file: &mut Source, format: Format, max_pixels: u64) -> Result<Size, ImageProblem> {
    match format {
        Format::Png => png::size(file, max_pixels),
        Format::Jpeg => jpeg::size(file, max_pixels),
        Format::WebP => webp::size(file, max_pixels),
        Format::Tiff => tiff::size(file, max_pixels),
        Format::Bmp => bmp::size(file, max_pixels),
        Format::Gif => gif::size(file, max_pixels),
        Format::Pnm => pnm::size(file, max_pixels),
        #[cfg(feature = "jxl")]
        Format::Jxl => jxl::size(file, max_pixels),
        #[cfg(feature = "avif")]
        Format::Avif => avif::size(file, max_pixels),
    }
}

/// Width and height of an upright image.
fn shown((size, orientation): Size) -> (usize, usize) {
    let [width, height] = orientation.shown_size(size.map(|side| side as usize));
    (width, height)
}

/// Refuses a frame that is not there.
fn check_frame(index: usize, count: usize) -> Result<(), ImageProblem> {
    match index < count {
        true => Ok(()),
        false => Err(no_frame(index, count)),
    }
}

fn no_frame(index: usize, count: usize) -> ImageProblem {
    ImageProblem::NoFrame {
        number: index + 1,
        count,
    }
}

/// The note of an animation that is read as one image.
fn first_of_animation(count: usize) -> String {
    format!("an animation of {count} frames; only the first is used")
}

/// The note of channels that are neither colours nor opacity.
fn other_channels(count: usize) -> String {
    match count {
        1 => "a channel that is no colour is left out".to_owned(),
        count => format!("{count} channels that are no colours are left out"),
    }
}

/// A file that is read.
type Source = BufReader<File>;

/// Width and height as stored, and how the image is turned.
type Size = ([u32; 2], Orientation);

/// Opens a regular file that holds an image of a known format.
fn open_file(path: &Path) -> Result<(Source, Format), ImageProblem> {
    // Looked at before opening: opening a pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImageProblem::Missing,
        _ => ImageProblem::Read(error),
    })?;
    if metadata.is_dir() {
        return Err(ImageProblem::Folder);
    }
    if !metadata.is_file() {
        return Err(ImageProblem::NotRegular);
    }
    recognised(File::open(path).map_err(ImageProblem::Read)?, path)
}

/// Another handle of an open file, at its start.
fn open_again(file: &File, name: &Path) -> Result<(Source, Format), ImageProblem> {
    let mut file = file.try_clone().map_err(ImageProblem::Read)?;
    file.rewind().map_err(ImageProblem::Read)?;
    recognised(file, name)
}

/// An open file and the format that its first bytes tell.
fn recognised(file: File, name: &Path) -> Result<(Source, Format), ImageProblem> {
    let mut file = BufReader::new(file);
    let mut start = Vec::new();
    file.by_ref()
        .take(SIGNATURE)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(ImageProblem::Read)?;
    if start.is_empty() {
        return Err(ImageProblem::Empty);
    }
    match recognise(&start) {
        Err(ImageProblem::NotAPicture) if is_tga(&start, &end(&mut file)?, name) => {
            Err(ImageProblem::Format("a TGA image"))
        }
        recognised => Ok((file, recognised?)),
    }
}

/// The last bytes of a file.
fn end(file: &mut Source) -> Result<Vec<u8>, ImageProblem> {
    let at = length(file)?.saturating_sub(SIGNATURE);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.read_to_end(&mut end))
        .map_err(ImageProblem::Read)?;
    Ok(end)
}

/// Checks a size that a header states.
fn check_size([width, height]: [u32; 2], limit: u64) -> Result<(), ImageProblem> {
    if width == 0 || height == 0 {
        return Err(ImageProblem::NoPixels { width, height });
    }
    if u64::from(width) * u64::from(height) > limit {
        return Err(ImageProblem::TooLarge {
            width,
            height,
            limit,
        });
    }
    Ok(())
}

/// The length of a file.
fn length(source: &Source) -> Result<u64, ImageProblem> {
    let metadata = source.get_ref().metadata().map_err(ImageProblem::Read)?;
    Ok(metadata.len())
}
