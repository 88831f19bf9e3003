//! Pixels to picture files.

use super::{ImageError, ImageProblem, Picture, error::innermost_message, is_rgb_profile};
use crate::atomic_file;
use ::image::{
    ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    error::ImageError as CodecError,
};
use std::{borrow::Cow, fmt, io::Write, path::Path};

/// A format that pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Lossless, with alpha.
    Png,
    /// Lossy, without alpha.
    Jpeg,
    /// Lossless here, with alpha.
    WebP,
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
        })
    }
}

impl OutputFormat {
    /// The extensions that name a format, for messages.
    pub const EXTENSIONS: &'static str = ".png, .jpg, .jpeg, .webp";

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
            _ => Err(ImageProblem::Extension.of(path)),
        }
    }

    /// The longest side that a file can have, in pixels.
    pub fn longest_side(self) -> usize {
        match self {
            Self::Png => i32::MAX as usize,
            Self::Jpeg => 65_535,
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
    /// A gray picture is written with one channel. The ICC profile is written
    /// too. JPEG has no alpha: there the picture is laid over white.
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
        self.save_to(path, format, options, overwrite)
            .map_err(|problem| problem.of(path))
    }

    fn save_to(
        &self,
        path: &Path,
        format: OutputFormat,
        options: &EncodeOptions,
        overwrite: bool,
    ) -> Result<(), ImageProblem> {
        // In memory first: compression takes seconds, during which a program
        // that is interrupted would leave its temporary file behind.
        let mut bytes = Vec::new();
        self.encode(&mut bytes, format, options)?;
        Ok(atomic_file::write(path, &bytes, overwrite)?)
    }

    /// Writes the picture as `format`, the way [`save`](Self::save) does.
    ///
    /// # Errors
    /// When the writer fails, the quality is out of range, or the format
    /// cannot hold the picture.
    fn encode(
        &self,
        writer: impl Write,
        format: OutputFormat,
        options: &EncodeOptions,
    ) -> Result<(), ImageProblem> {
        let quality = options.jpeg_quality;
        if !(1..=100).contains(&quality) {
            return Err(ImageProblem::Quality(quality));
        }
        match format {
            OutputFormat::Png => self.encode_with(PngEncoder::new(writer), true),
            OutputFormat::Jpeg => {
                self.encode_with(JpegEncoder::new_with_quality(writer, quality), false)
            }
            OutputFormat::WebP => self.encode_with(WebPEncoder::new_lossless(writer), true),
        }
    }

    fn encode_with(
        &self,
        mut encoder: impl ImageEncoder,
        takes_alpha: bool,
    ) -> Result<(), ImageProblem> {
        if let Some(profile) = &self.icc_profile {
            // All three encoders take profiles; another would do without.
            let _ = encoder.set_icc_profile(profile.clone());
        }
        // A profile of RGB colours needs three channels, even if they are equal.
        let one_channel = self.gray && !self.icc_profile.as_deref().is_some_and(is_rgb_profile);
        let (samples, color) = match (one_channel, takes_alpha && self.alpha.is_some()) {
            (false, false) => (self.opaque_samples(), ExtendedColorType::Rgb8),
            (true, false) => {
                let gray = self.opaque_samples().iter().step_by(3).copied().collect();
                (Cow::Owned(gray), ExtendedColorType::L8)
            }
            (false, true) => (self.samples_with_alpha::<3>(), ExtendedColorType::Rgba8),
            (true, true) => (self.samples_with_alpha::<1>(), ExtendedColorType::La8),
        };
        encoder
            .write_image(&samples, self.width as u32, self.height as u32, color)
            .map_err(|error| match error {
                CodecError::IoError(error) => ImageProblem::Write(error),
                error => ImageProblem::Encode(innermost_message(&error)),
            })
    }

    /// R, G, B of each pixel over white.
    fn opaque_samples(&self) -> Cow<'_, [u8]> {
        let Some(alpha) = &self.alpha else {
            return Cow::Borrowed(&self.rgb);
        };
        let over_white = |(pixel, &alpha): (&[u8], &u8)| -> [u8; 3] {
            [0, 1, 2].map(|channel| {
                let alpha = u32::from(alpha);
                let sum = u32::from(pixel[channel]) * alpha + 255 * (255 - alpha);
                ((sum + 127) / 255) as u8
            })
        };
        Cow::Owned(
            self.rgb
                .chunks_exact(3)
                .zip(alpha)
                .flat_map(over_white)
                .collect(),
        )
    }

    /// The first `CHANNELS` of each pixel and its opacity.
    fn samples_with_alpha<const CHANNELS: usize>(&self) -> Cow<'_, [u8]> {
        let alpha = self.alpha.iter().flatten();
        let mut samples = Vec::with_capacity((CHANNELS + 1) * self.width * self.height);
        for (pixel, &alpha) in self.rgb.chunks_exact(3).zip(alpha) {
            samples.extend_from_slice(&pixel[..CHANNELS]);
            samples.push(alpha);
        }
        Cow::Owned(samples)
    }
}
