//! Images: files to pixels and back, colour, bicubic resizing, and the
//! measures of the field.

pub mod bicubic;
mod bleed;
mod buffer;
mod color;
mod error;
mod exif;
mod format;
mod guard;
mod iptc;
pub mod metrics;
mod orientation;
mod pixels;
mod planes;
mod raster;
mod read;
mod row_resizing;
mod samples;
mod text;
mod write;
mod xmp;

pub use crate::host_memory::NoMemory;
use crate::host_memory::collected;
pub use buffer::Buffer;
pub use error::{ImageError, ImageProblem};
pub use format::{has_extension, other_extension};
pub use planes::{Border, Colors, Enlargement, Planes, Strip, picture_from_planes};
pub use read::{
    DecodeOptions, Decoded, Frame, FrameReader, Frames, IN_MEMORY, MAX_PIXELS, decode, decode_file,
    dimensions, dimensions_of_file, dimensions_within, frames,
};
pub(crate) use row_resizing::RowResizing;
pub use row_resizing::StripResizing;
use samples::Sample;
pub use samples::Samples;
pub use text::Text;
pub use write::{EncodeOptions, OutputFormat, check_writable, encode_rows, save_rows};

/// An image of 8 or 16 bits a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Width in pixels; at least 1.
    pub width: usize,
    /// Height in pixels; at least 1.
    pub height: usize,
    /// R, G, B of each pixel, row by row: `3 * width * height` samples.
    pub rgb: Samples,
    /// Whether it is a grayscale image: R, G and B of each pixel are equal,
    /// and files are written with one channel in place of three, except WebP.
    pub gray: bool,
    /// Opacity of each pixel, `width * height` samples, where there is any.
    /// Straight: `rgb` is not multiplied with it.
    pub alpha: Option<Samples>,
    /// What the file said about its pixels.
    pub metadata: Metadata,
}

/// What an image file says besides its pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The ICC profile of the colours; none: sRGB.
    pub icc_profile: Option<Vec<u8>>,
    /// EXIF, from the byte order on. Its orientation is 1: it was applied.
    pub exif: Option<Vec<u8>>,
    /// The XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// Pixels an inch, across and down.
    pub dpi: Option<[f64; 2]>,
    /// Texts under keywords: those of PNG files.
    pub texts: Vec<Text>,
    /// The comments of a JPEG or GIF file, in whatever encoding.
    pub comments: Vec<Vec<u8>>,
    /// The data sets of IPTC-IIM: captions, keywords, rights.
    pub iptc: Option<Vec<u8>>,
}

impl Picture {
    /// An opaque colour image of 8 bits a channel, without metadata.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` bytes.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        Self::with_samples(width, height, rgb.into())
    }

    /// An opaque colour image without metadata.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` samples.
    pub fn with_samples(width: usize, height: usize, rgb: Samples) -> Self {
        let picture = Self {
            width,
            height,
            rgb,
            gray: false,
            alpha: None,
            metadata: Metadata::default(),
        };
        assert!(
            picture.is_consistent(),
            "image: {} samples for {width}x{height} pixels",
            picture.rgb.len()
        );
        picture
    }

    /// An opaque colour image from R, G, B of each pixel in [0, 1], clamped and
    /// rounded to 16 bits.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` values.
    pub fn from_f32(width: usize, height: usize, rgb: &[f32]) -> Self {
        let words: Vec<u16> = rgb
            .iter()
            .map(|v| (v.clamp(0.0, 1.0) * 65_535.0).round() as u16)
            .collect();
        Self::with_samples(width, height, words.into())
    }

    /// R, G, B of each pixel in [0, 1].
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.rgb {
            Samples::U8(rgb) => rgb.iter().map(|&v| v.unit()).collect(),
            Samples::U16(rgb) => rgb.iter().map(|&v| v.unit()).collect(),
        }
    }

    /// R, G, B of each pixel, rounded to 8 bits where there are more.
    pub fn rgb8(&self) -> std::borrow::Cow<'_, [u8]> {
        self.rgb.to_u8()
    }

    /// Whether the buffers have the size that width and height say.
    pub fn is_consistent(&self) -> bool {
        let pixels = self.width.checked_mul(self.height).filter(|&p| p > 0);
        let fits = |samples: &Samples, channels: usize| {
            Some(samples.len()) == pixels.and_then(|p| p.checked_mul(channels))
        };
        fits(&self.rgb, 3) && self.alpha.iter().all(|alpha| fits(alpha, 1))
    }

    /// Whether every pixel is wholly opaque.
    pub fn is_opaque(&self) -> bool {
        self.alpha.iter().all(Samples::all_largest)
    }

    /// Whether no pixel has a colour: R, G and B are equal everywhere.
    pub fn is_neutral(&self) -> bool {
        fn run<T: Sample>(rgb: &Buffer<T>) -> bool {
            let is_gray = |pixel: &[T]| pixel[0] == pixel[1] && pixel[1] == pixel[2];
            let mut parts = rgb.parts(3);
            parts.all(|part| part.chunks_exact(3).all(is_gray))
        }
        self.gray
            || match &self.rgb {
                Samples::U8(rgb) => run(rgb),
                Samples::U16(rgb) => run(rgb),
            }
    }

    /// The image as grayscale: each pixel becomes the rounded mean of its
    /// R, G and B. Meant for results that should be gray and nearly are.
    pub fn into_gray(mut self) -> Self {
        self.make_gray();
        self.gray = true;
        self
    }

    /// Gives each pixel the rounded mean of its R, G and B.
    fn make_gray(&mut self) {
        fn run<T: Sample + Into<u32>>(rgb: &mut Buffer<T>, narrow: impl Fn(u32) -> T) {
            rgb.for_parts(3, |part| {
                for pixel in part.chunks_exact_mut(3) {
                    let sum: u32 = pixel.iter().map(|&v| Into::<u32>::into(v)).sum();
                    pixel.fill(narrow((2 * sum + 3) / 6));
                }
                true
            });
        }
        match &mut self.rgb {
            Samples::U8(rgb) => run(rgb, |mean| mean as u8),
            Samples::U16(rgb) => run(rgb, |mean| mean as u16),
        }
    }

    /// The top left `width` x `height`, its colours alone.
    ///
    /// # Panics
    /// When the image is smaller.
    ///
    /// # Errors
    /// When the system has no memory for the result.
    pub fn cropped(&self, width: usize, height: usize) -> Result<Self, NoMemory> {
        fn run<T: Copy>(
            rgb: &[T],
            row: usize,
            [width, height]: [usize; 2],
        ) -> Result<Vec<T>, NoMemory> {
            let rows = rgb.chunks_exact(3 * row).take(height);
            let taken = rows.flat_map(|row| &row[..3 * width]).copied();
            collected(3 * width * height, taken)
        }
        let rgb = match &self.rgb {
            Samples::U8(rgb) => run(rgb, self.width, [width, height])?.into(),
            Samples::U16(rgb) => run(rgb, self.width, [width, height])?.into(),
        };
        Ok(Self::with_samples(width, height, rgb))
    }

    /// Drops all metadata. Colours of another space than sRGB are converted
    /// to it, since they would look different without their profile; false
    /// where the profile cannot be used for that, and is dropped all the same.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn strip(&mut self) -> Result<bool, NoMemory> {
        let metadata = std::mem::take(&mut self.metadata);
        match &metadata.icc_profile {
            Some(profile) => color::convert_to_srgb(self, profile),
            None => Ok(true),
        }
    }
}
