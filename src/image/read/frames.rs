//! Frames of animations and pages of files.

use super::super::guard::guarded;
use super::super::raster::Raster;
use super::super::{ImageError, ImageProblem, format::Format};
#[cfg(feature = "avif")]
use super::avif;
use super::{
    DecodeOptions, Decoded, Size, Source, decode_still, gif, open_file, png, png_frames, shown,
    size_of, tiff, tolerate, webp, webp_frames,
};
#[cfg(feature = "jxl")]
use super::{jxl, jxl_frames};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A frame of an animation or a page of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How long it is shown in an animation.
    pub duration: Option<Duration>,
}

/// The frames or pages of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// At least one.
    pub list: Vec<Frame>,
    /// What of the file could not be read, one line each.
    pub notes: Vec<String>,
}

/// The frames or pages of a file, which [`DecodeOptions::frame`] chooses from. An
/// image that is shown in place of an animation is none of them.
///
/// # Errors
/// As [`decode`](super::decode), as far as the headers tell. A file whose later
/// frames or pages cannot be found, or decoded, gives those before them if `options`
/// are tolerant; one whose later ones cannot be found is an error otherwise.
pub fn frames(path: &Path, options: &DecodeOptions) -> Result<Frames, ImageError> {
    let result = open_file(path).and_then(|(mut file, format)| {
        guarded(|| {
            let mut notes = Vec::new();
            if format == Format::Tiff {
                let pages = tiff::page_sizes(&mut file, options, &mut notes)?;
                let list = pages.into_iter().map(|page| frame(page, None)).collect();
                return Ok(Frames { list, notes });
            }
            let size = size_of(&mut file, format, options.max_pixels);
            let size = size.map_err(ImageProblem::into_damage)?;
            file.rewind().map_err(ImageProblem::Read)?;
            let durations = match format {
                Format::Png => png::durations(&mut file, options, &mut notes)?,
                Format::WebP => webp::durations(&mut file, options, &mut notes)?,
                Format::Gif => gif::durations(&mut file, options, &mut notes)?,
                #[cfg(feature = "jxl")]
                Format::Jxl => jxl::durations(&mut file, options, &mut notes)?,
                #[cfg(feature = "avif")]
                Format::Avif => avif::durations(&mut file, options, &mut notes)?,
                Format::Jpeg | Format::Tiff | Format::Bmp | Format::Pnm => Vec::new(),
            };
            // Other formats find damage without decoding, or go on after it.
            let is_tried = matches!(format, Format::Png | Format::WebP | Format::Gif);
            let count = match options.tolerant && is_tried && durations.len() > 1 {
                true => before_damage(path, durations.len(), options, &mut notes)?,
                false => durations.len(),
            };
            let list = match count {
                0 | 1 => vec![frame(size, None)],
                _ => durations[..count]
                    .iter()
                    .map(|&duration| frame(size, Some(duration)))
                    .collect(),
            };
            Ok(Frames { list, notes })
        })
    });
    result.map_err(|problem| options.settled(problem).of(path))
}

/// How many of the frames of an animation can be decoded, up to the first that cannot.
fn before_damage(
    path: &Path,
    count: usize,
    options: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<usize, ImageProblem> {
    let (file, format) = open_file(path)?;
    let Opened::Sequence(mut sequence) = open(file, format, options)? else {
        return Ok(1);
    };
    for index in 0..count {
        match sequence.frame(index) {
            Ok(_) => {}
            Err(ImageProblem::Damaged(reason) | ImageProblem::Incomplete(reason)) => {
                let reason = format!("from frame {} on: {reason}", index + 1);
                tolerate(ImageProblem::Incomplete(reason), options, notes)?;
                return Ok(index);
            }
            // Told when its turn comes.
            Err(_) => return Ok(count),
        }
    }
    Ok(count)
}

fn frame(size: Size, duration: Option<Duration>) -> Frame {
    let (width, height) = shown(size);
    Frame {
        width,
        height,
        duration,
    }
}

/// A reader of the frames of one file. Frames of an animation are decoded from those
/// before them; read in their order, none is decoded twice.
pub struct FrameReader {
    path: PathBuf,
    options: DecodeOptions,
    /// The animation that is open, and the first of its frames that can be had.
    open: Option<(Box<dyn Sequence>, usize)>,
}

impl FrameReader {
    /// Opens nothing yet.
    pub fn new(path: &Path, options: &DecodeOptions) -> Self {
        Self {
            path: path.to_owned(),
            options: *options,
            open: None,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a frame or page, counted from 0, as [`decode`](super::decode) does with
    /// [`DecodeOptions::frame`].
    ///
    /// # Errors
    /// As [`decode`](super::decode).
    pub fn read(&mut self, frame: usize) -> Result<Decoded, ImageError> {
        let options = DecodeOptions {
            frame: Some(frame),
            ..self.options
        };
        let open = self.open.take().filter(|(_, next)| *next <= frame);
        let result = guarded(|| {
            let mut sequence = match open {
                Some((sequence, _)) => sequence,
                None => {
                    let (file, format) = open_file(&self.path)?;
                    match self::open(file, format, &options)? {
                        Opened::Sequence(sequence) => sequence,
                        Opened::Still(mut file) => {
                            let raster = decode_still(&mut file, format, &options)?;
                            return Ok(raster.into_picture(options.metadata));
                        }
                    }
                }
            };
            let raster = sequence.frame(frame);
            // What need not happen again does not end the sequence.
            if raster
                .as_ref()
                .err()
                .is_none_or(|problem| problem.repeated().is_some())
            {
                self.open = Some((sequence, frame + 1));
            }
            Ok(raster?.into_picture(options.metadata))
        });
        result
            .map(|(picture, notes)| Decoded { picture, notes })
            .map_err(|problem| options.settled(problem).of(&self.path))
    }
}

/// An open animation.
pub trait Sequence {
    /// Decodes a frame, none of those that were asked for and none before them. After
    /// an error that [repeats](ImageProblem::repeated), others can be asked for.
    fn frame(&mut self, wanted: usize) -> Result<Raster, ImageProblem>;
}

pub enum Opened {
    Sequence(Box<dyn Sequence>),
    /// No animation.
    Still(Source),
}

/// Opens an animation.
pub fn open(file: Source, format: Format, options: &DecodeOptions) -> Result<Opened, ImageProblem> {
    match format {
        Format::Png => png_frames::open(file, options),
        Format::WebP => webp_frames::open(file, options),
        Format::Gif => gif::open(file, options),
        #[cfg(feature = "jxl")]
        Format::Jxl => jxl_frames::open(file, options),
        #[cfg(feature = "avif")]
        Format::Avif => avif::open(file, options),
        Format::Jpeg | Format::Tiff | Format::Bmp | Format::Pnm => Ok(Opened::Still(file)),
    }
}

/// How far frames that build on each other are decoded.
#[derive(Default)]
pub struct Progress {
    /// The frame that is decoded next.
    next: usize,
    /// Why the next frame cannot be decoded.
    damage: Option<ImageProblem>,
}

impl Progress {
    #[cfg(feature = "avif")]
    pub fn starting_at(next: usize) -> Self {
        Self { next, damage: None }
    }

    /// Decodes all frames up to `wanted`, which has not been decoded yet, and gives
    /// what `step` gives for it.
    pub fn advance<T>(
        &mut self,
        wanted: usize,
        mut step: impl FnMut(usize) -> Result<T, ImageProblem>,
    ) -> Result<T, ImageProblem> {
        if let Some(problem) = self.damage.as_ref().and_then(ImageProblem::repeated) {
            return Err(problem);
        }
        loop {
            let decoded =
                step(self.next).inspect_err(|problem| self.damage = problem.repeated())?;
            self.next += 1;
            if self.next > wanted {
                return Ok(decoded);
            }
        }
    }
}
