//! Pixels to image files.

mod jpeg;
mod output;
mod png;
mod rows;
mod tiff;
mod webp;
mod words;

use super::color::{self, Space};
use super::guard::guarded;
use super::{ImageError, ImageProblem, Picture, Strip};
use crate::atomic_file::{self, Draft};
use crate::host_memory::NoMemory;
use output::{Output, WriteSeek};
use rows::Rows;
use std::fmt;
use std::io::{Cursor, Seek, Write};
use std::path::Path;

/// A format that images are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Lossless, with alpha, up to 16 bits a sample.
    Png,
    /// Lossy, without alpha, 8 bits a sample.
    Jpeg,
    /// Lossless here, with alpha, 8 bits a sample, always in colour.
    WebP,
    /// Lossless, with alpha, up to 16 bits a sample.
    Tiff,
}

/// How images are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Quality of a JPEG image, 1..=100; colour is not subsampled at any.
    pub jpeg_quality: u8,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { jpeg_quality: 95 }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
        })
    }
}

impl OutputFormat {
    /// The extensions that name a format, for messages.
    pub const EXTENSIONS: &'static str = ".png, .jpg, .jpeg, .webp, .tif, .tiff";

    /// The format that the extension of `path` names, in any case.
    ///
    /// # Errors
    /// When it names none of [`EXTENSIONS`](Self::EXTENSIONS).
    pub fn from_path(path: &Path) -> Result<Self, ImageError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match &*extension.to_ascii_lowercase() {
            "png" => Ok(Self::Png),
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "webp" => Ok(Self::WebP),
            "tif" | "tiff" => Ok(Self::Tiff),
            "" => Err(ImageProblem::Extension.of(path)),
            _ => {
                let extension = extension.into_owned();
                Err(ImageProblem::NotWritten { extension }.of(path))
            }
        }
    }

    /// The longest side that a file can have, in pixels.
    pub fn longest_side(self) -> usize {
        match self {
            Self::Png | Self::Tiff => i32::MAX as usize,
            // Its format has room for 65,535, its library not.
            Self::Jpeg => 65_500,
            Self::WebP => 16_383,
        }
    }

    /// Checks that an image of this size can be written to `path`.
    ///
    /// # Errors
    /// When the format cannot hold so many pixels.
    pub fn check(self, path: &Path, width: usize, height: usize) -> Result<(), ImageError> {
        let limit = self.longest_side();
        if width.max(height) <= limit {
            return Ok(());
        }
        Err(ImageProblem::FormatLimit {
            format: self,
            limit,
            width,
            height,
            other: Self::Png,
        }
        .of(path))
    }

    /// What this format cannot hold of an image, one line each.
    pub fn losses(self, picture: &Picture) -> Vec<String> {
        let mut losses = Vec::new();
        if !self.has_alpha() && !picture.is_opaque() {
            losses.push(format!(
                "{self} has no opacity, so the image is laid over white"
            ));
        }
        if !self.has_16_bits() && picture.rgb.bits() == 16 {
            losses.push(format!(
                "{self} has 8 bits a sample, so the image's 16 are rounded"
            ));
        }
        if self.gray_becomes_srgb(picture) {
            losses.push(format!(
                "{self} has no gray, so the gray colour profile became sRGB"
            ));
        }
        losses.extend(words::losses(self, &picture.metadata));
        if self == Self::Jpeg {
            losses.extend(jpeg::too_long(picture));
        }
        losses
    }

    fn has_alpha(self) -> bool {
        self != Self::Jpeg
    }

    fn has_16_bits(self) -> bool {
        matches!(self, Self::Png | Self::Tiff)
    }

    /// Whether the profile of gray has to go because the file will be in RGB.
    fn gray_becomes_srgb(self, picture: &Picture) -> bool {
        let profile = picture.metadata.icc_profile.as_deref();
        self == Self::WebP && profile.is_some_and(|p| color::space(p) == Space::Gray)
    }
}

/// Checks, before any work is done, that [`Picture::save`] will find a place
/// for `path`: its folder is there and takes new files, and nothing is in the
/// way. Leaves nothing behind.
///
/// # Errors
/// When the folder does not exist or cannot be written to, `path` is a folder
/// or a device, or it exists and `overwrite` is not set.
pub fn check_writable(path: &Path, overwrite: bool) -> Result<(), ImageError> {
    atomic_file::check(path, overwrite).map_err(|fault| ImageProblem::from(fault).of(path))
}

/// Writes an image to `path` whose rows come one after the other, so that memory
/// need not hold all of them. `head` is the image without its pixels, as
/// [`Enlargement::empty`](super::Enlargement::empty) gives it.
///
/// The rows go to a temporary file, so that there is never half an image and a
/// failure leaves nothing behind. WebP alone is collected in memory.
///
/// # Errors
/// As [`check_writable`] and [`OutputFormat::check`]; when the quality is out of
/// range, the disk is full, or the strips are not all rows in their order.
pub fn save_rows(
    head: &Picture,
    path: &Path,
    format: OutputFormat,
    options: &EncodeOptions,
    overwrite: bool,
    strips: &mut dyn Iterator<Item = Strip>,
) -> Result<(), ImageError> {
    save_strips(head, path, format, options, overwrite, &mut strips.map(Ok))
}

fn save_strips(
    head: &Picture,
    path: &Path,
    format: OutputFormat,
    options: &EncodeOptions,
    overwrite: bool,
    strips: Strips<'_>,
) -> Result<(), ImageError> {
    format.check(path, head.width, head.height)?;
    let mut save = || -> Result<(), ImageProblem> {
        let mut draft = Draft::create(path, overwrite)?;
        encode_to(head, format, options, draft.file(), strips)?;
        Ok(draft.commit()?)
    };
    save().map_err(|problem| problem.of(path))
}

/// Writes the bytes of a file, as [`save_rows`] does.
///
/// # Errors
/// When the quality is out of range, the encoder refuses, writing fails, or the
/// strips are not all rows in their order.
pub fn encode_rows(
    head: &Picture,
    format: OutputFormat,
    options: &EncodeOptions,
    file: &mut (impl Write + Seek),
    strips: &mut dyn Iterator<Item = Strip>,
) -> Result<(), ImageProblem> {
    encode_to(head, format, options, file, &mut strips.map(Ok))
}

/// Rows as they come, or why there are none.
type Strips<'a> = &'a mut dyn Iterator<Item = Result<Strip, NoMemory>>;

fn encode_to(
    head: &Picture,
    format: OutputFormat,
    options: &EncodeOptions,
    file: &mut dyn WriteSeek,
    strips: Strips<'_>,
) -> Result<(), ImageProblem> {
    let quality = options.jpeg_quality;
    if !(1..=100).contains(&quality) {
        return Err(ImageProblem::Quality(quality));
    }
    if format.gray_becomes_srgb(head) {
        return encode_as_srgb(head, format, options, file, strips);
    }
    let mut output = Output::new(file);
    let encoded = guarded(|| {
        let rows = &mut Rows::new(head, format, strips);
        match format {
            OutputFormat::Png => png::encode(rows, &mut output),
            OutputFormat::Jpeg => jpeg::encode(rows, quality, &mut output),
            OutputFormat::WebP => webp::encode(rows, &mut output),
            OutputFormat::Tiff => tiff::encode(rows, &mut output),
        }
    });
    // Whatever is still buffered.
    let flushed = output.flush();
    if let Some(error) = output.error.take() {
        return Err(ImageProblem::Write(error));
    }
    encoded.map_err(|problem| match problem {
        ImageProblem::Codec(reason) => ImageProblem::Encode(reason),
        problem => problem,
    })?;
    flushed.map_err(ImageProblem::Write)
}

/// Converts the whole image first, whose colours its format cannot hold.
fn encode_as_srgb(
    head: &Picture,
    format: OutputFormat,
    options: &EncodeOptions,
    file: &mut dyn WriteSeek,
    strips: Strips<'_>,
) -> Result<(), ImageProblem> {
    let mut picture = head.clone();
    let mut found = 0;
    for strip in strips {
        let strip = strip?;
        if strip.y != found {
            break;
        }
        found += strip.rows;
        picture.push(strip)?;
    }
    if !picture.is_consistent() {
        return Err(ImageProblem::MissingRows {
            found,
            height: picture.height,
        });
    }
    if let Some(profile) = picture.metadata.icc_profile.take() {
        color::convert_to_srgb(&mut picture, &profile)?;
    }
    let (head, strips) = (
        picture.without_pixels([picture.width, picture.height]),
        &mut picture.strips(),
    );
    encode_to(&head, format, options, file, strips)
}

impl Picture {
    /// Writes the image to `path`: to a temporary file beside it first, so
    /// that there is never half an image and a failure leaves nothing behind.
    ///
    /// A gray image is written with one channel (WebP has three in any case), and
    /// all metadata that the format can hold are written too. What it cannot hold is lost:
    /// [`OutputFormat::losses`].
    ///
    /// # Errors
    /// As [`save_rows`].
    pub fn save(
        &self,
        path: &Path,
        format: OutputFormat,
        options: &EncodeOptions,
        overwrite: bool,
    ) -> Result<(), ImageError> {
        let (head, strips) = (
            self.without_pixels([self.width, self.height]),
            &mut self.strips(),
        );
        save_strips(&head, path, format, options, overwrite, strips)
    }

    /// The bytes of a file of this format, as [`save`](Self::save) writes it.
    ///
    /// # Errors
    /// When the quality is out of range or the encoder refuses.
    pub fn encode(
        &self,
        format: OutputFormat,
        options: &EncodeOptions,
    ) -> Result<Vec<u8>, ImageProblem> {
        let mut bytes = Cursor::new(Vec::new());
        let (head, strips) = (
            self.without_pixels([self.width, self.height]),
            &mut self.strips(),
        );
        encode_to(&head, format, options, &mut bytes, strips)?;
        Ok(bytes.into_inner())
    }
}
