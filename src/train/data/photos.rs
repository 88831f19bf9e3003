//! The images that are trained on, with what becomes of them in LR.

use super::DataError;
use crate::host_memory::NoMemory;
use crate::image::{DecodeOptions, ImageError, ImageProblem, bicubic, decode};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The shortest side of JPEG files that are halved.
pub const HALVED_FROM: usize = 800;

/// How images are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhotoOptions {
    /// How much larger HR is than LR.
    pub scale: usize,
    /// The shortest side that HR images need.
    pub least_side: usize,
    /// Whether JPEG files with a short side of [`HALVED_FROM`] pixels or more are
    /// made half as large first, which hides the traces of their compression.
    pub halve: bool,
    /// Bytes of decoded images that are kept; others are decoded again whenever
    /// they are needed.
    pub memory: u64,
}

/// An image and its LR image, `r, g, b` of each pixel.
pub(super) struct Pair {
    /// Width and height of the file's image, before it was halved and cropped.
    file_size: [usize; 2],
    is_halved: bool,
    /// Width and height in LR pixels.
    pub lr_size: [usize; 2],
    pub lr: Vec<u8>,
    /// `scale` times as large.
    pub hr: Vec<u8>,
}

/// An image that is trained on.
struct Photo {
    path: PathBuf,
    lr_size: [usize; 2],
    /// Of the file's bytes.
    checksum: u32,
    /// Pixels of the LR images up to this one and with it.
    pixels_up_to: u64,
    kept: Option<Pair>,
}

/// An image that is not trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    pub reason: String,
}

/// The images that are trained on.
pub struct Photos {
    options: PhotoOptions,
    list: Vec<Photo>,
}

impl Photos {
    /// Reads every image once, so that those that cannot be used are known. Their
    /// order decides which are drawn. `progress` is told of each, from several
    /// threads.
    ///
    /// # Errors
    /// When none is left, or `progress` stops it.
    pub fn load(
        paths: &[PathBuf],
        options: PhotoOptions,
        progress: &(dyn Fn() -> ControlFlow<()> + Sync),
    ) -> Result<(Self, Vec<Skipped>), DataError> {
        let (left, stopped) = (AtomicU64::new(options.memory), AtomicBool::new(false));
        let read = |path: &PathBuf| -> Result<Photo, String> {
            if stopped.load(Ordering::Relaxed) {
                return Err(String::new());
            }
            let pair = Pair::read(path, &options).map_err(|error| error.problem.to_string());
            if progress().is_break() {
                stopped.store(true, Ordering::Relaxed);
            }
            let pair = pair?;
            let [width, height] = pair.lr_size.map(|side| side * options.scale);
            if width.min(height) < options.least_side {
                return Err(pair.too_small(options.least_side));
            }
            let checksum = checksum(path).map_err(|error| ImageProblem::Read(error).to_string())?;
            let bytes = (pair.lr.len() + pair.hr.len()) as u64;
            let take = |left: u64| left.checked_sub(bytes);
            let is_kept = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            Ok(Photo {
                path: path.clone(),
                lr_size: pair.lr_size,
                checksum,
                pixels_up_to: 0,
                kept: is_kept.is_ok().then_some(pair),
            })
        };
        let read: Vec<Result<Photo, String>> = paths.par_iter().map(read).collect();
        if stopped.into_inner() {
            return Err(DataError::Stopped);
        }
        let (mut list, mut skipped) = (Vec::new(), Vec::new());
        let mut pixels = 0;
        for (photo, path) in read.into_iter().zip(paths) {
            match photo {
                Ok(mut photo) => {
                    pixels += (photo.lr_size[0] * photo.lr_size[1]) as u64;
                    photo.pixels_up_to = pixels;
                    list.push(photo);
                }
                Err(reason) => skipped.push(Skipped {
                    path: path.clone(),
                    reason,
                }),
            }
        }
        match list.is_empty() {
            true => Err(DataError::NoImages(skipped)),
            false => Ok((Self { options, list }, skipped)),
        }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Always false: there is at least one image.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn options(&self) -> &PhotoOptions {
        &self.options
    }

    /// Images that are decoded again whenever they are needed.
    pub fn not_kept(&self) -> usize {
        self.list.iter().filter(|p| p.kept.is_none()).count()
    }

    /// Tells sets of images apart: a hash of their names and sizes.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for photo in &self.list {
            let name = photo.path.file_name().unwrap_or_default();
            let [width, height] = photo.lr_size;
            hash.update(format!("{} {width}x{height}\n", name.to_string_lossy()));
        }
        hex(hash)
    }

    /// Tells images of the same names and sizes apart: a hash of their files.
    pub fn contents(&self) -> String {
        let mut hash = Sha256::new();
        for photo in &self.list {
            hash.update(photo.checksum.to_le_bytes());
        }
        hex(hash)
    }

    /// LR pixels of all images.
    pub(super) fn pixels(&self) -> u64 {
        self.list.last().map_or(0, |photo| photo.pixels_up_to)
    }

    /// The image that a pixel of all is of: large ones are drawn more often.
    pub(super) fn with_pixel(&self, pixel: u64) -> Result<Drawn<'_>, DataError> {
        let at = self.list.partition_point(|p| p.pixels_up_to <= pixel);
        let photo = &self.list[at];
        let pair = match &photo.kept {
            Some(pair) => return Ok(Drawn::Kept(pair)),
            None => Pair::read(&photo.path, &self.options).map_err(DataError::Image)?,
        };
        match pair.lr_size == photo.lr_size {
            true => Ok(Drawn::Read(pair)),
            false => Err(DataError::Changed(photo.path.clone())),
        }
    }
}

/// The image of a draw.
pub(super) enum Drawn<'a> {
    Kept(&'a Pair),
    Read(Pair),
}

impl std::ops::Deref for Drawn<'_> {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        match self {
            Self::Kept(pair) => pair,
            Self::Read(pair) => pair,
        }
    }
}

impl Pair {
    fn read(path: &Path, options: &PhotoOptions) -> Result<Self, ImageError> {
        // As much as may be kept is counted, and kept in memory.
        let reading = DecodeOptions {
            in_memory: u64::MAX,
            ..DecodeOptions::default()
        };
        let picture = decode(path, &reading)?.picture;
        let size = [picture.width, picture.height];
        let halve = options.halve && size[0].min(size[1]) >= HALVED_FROM && is_jpeg(path);
        let made = Self::new(&picture.rgb8(), size, options.scale, halve);
        made.map_err(|error| ImageError {
            file: path.to_owned(),
            problem: error.into(),
        })
    }

    /// An image, cropped at the right and bottom to a multiple of the scale, and
    /// its LR image as [`metrics`](crate::image::metrics) are measured with.
    fn new(rgb: &[u8], file_size: [usize; 2], scale: usize, halve: bool) -> Result<Self, NoMemory> {
        let (rgb, size) = match halve {
            true => {
                let half = file_size.map(|side| side / 2);
                let smaller = bicubic::resize_u8(rgb, file_size, 3, half)?;
                (Cow::Owned(smaller), half)
            }
            false => (Cow::Borrowed(rgb), file_size),
        };
        let lr_size = size.map(|side| side / scale);
        let [width, height] = lr_size.map(|side| side * scale);
        let rows = rgb.chunks_exact(3 * size[0]).take(height);
        let hr: Vec<u8> = rows.flat_map(|row| &row[..3 * width]).copied().collect();
        let lr = match lr_size.contains(&0) {
            true => Vec::new(),
            false => bicubic::resize_u8(&hr, [width, height], 3, lr_size)?,
        };
        Ok(Self {
            file_size,
            is_halved: halve,
            lr_size,
            lr,
            hr,
        })
    }

    /// Why no patch of `least` pixels a side fits.
    fn too_small(&self, least: usize) -> String {
        let [width, height] = self.file_size;
        let (halved, advice) = match self.is_halved {
            true => (
                format!(", halved to {}x{}", width / 2, height / 2),
                match width.min(height) >= least {
                    true => "; without `halve` it is large enough",
                    false => "",
                },
            ),
            false => (String::new(), ""),
        };
        format!("is {width}x{height}{halved}, less than the {least}x{least} of a patch{advice}")
    }
}

/// The first bytes of a hash.
fn hex(hash: Sha256) -> String {
    let hash = hash.finalize();
    let bytes = hash.iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// What tells a file's bytes from others.
fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let (mut part, mut sum) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sum),
            count => sum = crc32c::crc32c_append(sum, &part[..count]),
        }
    }
}

/// Whether a file is a JPEG by its first bytes; one that cannot be read is none.
fn is_jpeg(path: &Path) -> bool {
    let mut start = [0; 3];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == [0xff, 0xd8, 0xff]
}
