//! Pixels to picture files.

mod jpeg;
mod png;
mod tiff;
mod webp;

use super::color::{self, Space};
use super::guard::guarded;
use super::{ImageError, ImageProblem, Picture, Samples};
use crate::atomic_file;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A format that pictures are written in.
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

/// How pictures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Quality of a JPEG picture, 1..=100; colour is not subsampled at any.
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
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("jpg" | "jpeg") => Ok(Self::Jpeg),
            Some("webp") => Ok(Self::WebP),
            Some("tif" | "tiff") => Ok(Self::Tiff),
            _ => Err(ImageProblem::Extension.of(path)),
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

    /// Checks that a picture of this size can be written to `path`.
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

    /// What this format cannot hold of a picture, one line each.
    pub fn losses(self, picture: &Picture) -> Vec<String> {
        let mut losses = Vec::new();
        if !self.has_alpha() && !picture.is_opaque() {
            losses.push(format!(
                "{self} has no opacity, so the picture is laid over white"
            ));
        }
        if !self.has_16_bits() && picture.rgb.bits() == 16 {
            losses.push(format!(
                "{self} has 8 bits a sample, so the picture's 16 are rounded"
            ));
        }
        if self.gray_becomes_srgb(picture) {
            losses.push(format!(
                "{self} has no gray, so the gray colour profile became sRGB"
            ));
        }
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

impl Picture {
    /// Writes the picture to `path`: to a temporary file beside it first, so
    /// that there is never half a picture and a failure leaves nothing behind.
    ///
    /// A gray picture is written with one channel, and all metadata that the
    /// format can hold are written too. What it cannot hold is lost:
    /// [`OutputFormat::losses`].
    ///
    /// # Errors
    /// As [`check_writable`] and [`OutputFormat::check`]; when the quality is
    /// out of range or the disk is full.
    pub fn save(
        &self,
        path: &Path,
        format: OutputFormat,
        options: &EncodeOptions,
        overwrite: bool,
    ) -> Result<(), ImageError> {
        format.check(path, self.width, self.height)?;
        // In memory first: compression takes seconds, during which a program
        // that is interrupted would leave its temporary file behind.
        self.encode(format, options)
            .and_then(|bytes| Ok(atomic_file::write(path, &bytes, overwrite)?))
            .map_err(|problem| problem.of(path))
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
        let quality = options.jpeg_quality;
        if !(1..=100).contains(&quality) {
            return Err(ImageProblem::Quality(quality));
        }
        let mut picture = Cow::Borrowed(self);
        if format.gray_becomes_srgb(self) {
            let picture = picture.to_mut();
            if let Some(profile) = picture.metadata.icc_profile.take() {
                color::convert_to_srgb(picture, &profile);
            }
        }
        let pixels = Pixels::of(&picture, format);
        let encoded = guarded(|| match format {
            OutputFormat::Png => png::encode(&picture, &pixels),
            OutputFormat::Jpeg => jpeg::encode(&picture, &pixels, quality),
            OutputFormat::WebP => webp::encode(&picture, &pixels),
            OutputFormat::Tiff => tiff::encode(&picture, &pixels),
        });
        encoded.map_err(|problem| match problem {
            ImageProblem::Codec(reason) => ImageProblem::Encode(reason),
            problem => problem,
        })
    }
}

/// Interleaved samples, as a format takes them.
struct Pixels<'a> {
    /// Gray, gray and alpha, RGB, or RGBA.
    channels: usize,
    samples: Cow<'a, Samples>,
}

impl<'a> Pixels<'a> {
    fn of(picture: &'a Picture, format: OutputFormat) -> Self {
        // A profile of RGB colours needs three channels, even if they are equal.
        let profile = picture.metadata.icc_profile.as_deref();
        let needs_rgb = profile.is_some_and(|profile| color::space(profile) == Space::Rgb);
        let gray = picture.gray && !needs_rgb && format != OutputFormat::WebP;
        let has_alpha = picture.alpha.is_some() && format.has_alpha();
        let flattened = picture.alpha.is_some() && !has_alpha;
        let narrowed = picture.rgb.bits() == 16 && !format.has_16_bits();
        let colors = if gray { 1 } else { 3 };
        let channels = colors + usize::from(has_alpha);
        let samples = if channels == 3 && !flattened && !narrowed {
            Cow::Borrowed(&picture.rgb)
        } else if picture.rgb.bits() == 16 && !narrowed {
            let alpha = picture.alpha.as_ref().map(Samples::to_u16);
            let rgb = picture.rgb.to_u16();
            Cow::Owned(interleaved(&rgb, alpha.as_deref(), colors, flattened).into())
        } else {
            let alpha = picture.alpha.as_ref().map(Samples::to_u8);
            let rgb = picture.rgb.to_u8();
            Cow::Owned(interleaved(&rgb, alpha.as_deref(), colors, flattened).into())
        };
        Self { channels, samples }
    }
}

/// The first `colors` samples of each pixel and its opacity, where there is
/// any; or the pixels over white.
fn interleaved<T: super::samples::Sample>(
    rgb: &[T],
    alpha: Option<&[T]>,
    colors: usize,
    flattened: bool,
) -> Vec<T> {
    let mut result = Vec::with_capacity(rgb.len() / 3 * (colors + 1));
    for (index, pixel) in rgb.chunks_exact(3).enumerate() {
        let pixel = pixel.iter().take(colors);
        match alpha.map(|alpha| alpha[index]) {
            Some(alpha) if flattened => {
                let opacity = alpha.unit();
                result.extend(pixel.map(|sample| {
                    let value = sample.unit() * opacity + (1.0 - opacity);
                    T::from_level(value * T::LARGEST)
                }));
            }
            alpha => {
                result.extend(pixel);
                result.extend(alpha);
            }
        }
    }
    result
}
