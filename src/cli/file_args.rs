//! Options of image files: how they are read, and how results are written.

use super::failure::Failure;
use clap::Args;
use srdiff::image::{DecodeOptions, Decoded, EncodeOptions, MAX_PIXELS, NoMemory, OutputFormat};

/// How images are read and written.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// Quality of a JPEG result [default: 95]
    #[arg(long, value_name = "1-100", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Leave out metadata: colour profile (colours become sRGB), EXIF, XMP, IPTC, texts,
    /// comments, resolution
    #[arg(long)]
    pub strip: bool,
    /// Read a damaged image as far as it goes
    #[arg(long)]
    tolerant: bool,
    /// Refuse an image of more pixels
    #[arg(long, value_name = "N", default_value_t = MAX_PIXELS,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pixels: u64,
}

impl FileArgs {
    pub fn reading(&self) -> DecodeOptions {
        DecodeOptions {
            max_pixels: self.max_pixels,
            tolerant: self.tolerant,
            metadata: !self.strip,
            ..DecodeOptions::default()
        }
    }

    pub fn writing(&self) -> EncodeOptions {
        let mut writing = EncodeOptions::default();
        if let Some(quality) = self.quality {
            writing.jpeg_quality = quality;
        }
        writing
    }

    /// Refuses a quality for a format that has none.
    pub fn check_quality(&self, format: OutputFormat) -> Result<(), Failure> {
        match self.quality {
            Some(_) if format != OutputFormat::Jpeg => Err(Failure::Usage(format!(
                "--quality: {format} here is lossless; leave it out, or write a .jpg file"
            ))),
            _ => Ok(()),
        }
    }
}

/// Drops all metadata of an image, as `--strip` asks for.
pub fn strip(decoded: &mut Decoded) -> Result<(), NoMemory> {
    if !decoded.picture.strip()? {
        let note = "its colour profile cannot be used, so colours stay unconverted";
        decoded.notes.push(note.to_owned());
    }
    Ok(())
}
