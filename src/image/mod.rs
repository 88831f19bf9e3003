//! Pictures: files to pixels and back, colour, bicubic resizing, and the
//! measures of the field.

pub mod bicubic;
mod decode;
mod encode;
mod error;
pub mod metrics;
mod planes;

pub use decode::{MAX_PIXELS, dimensions};
pub use encode::{EncodeOptions, OutputFormat, check_writable};
pub use error::{ImageError, ImageProblem};
pub use planes::{picture_from_planes, planes_padded};

/// A picture of 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels; at least 1.
    pub width: usize,
    /// Height in pixels; at least 1.
    pub height: usize,
    /// R, G, B of each pixel, row by row: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
    /// Whether it is a grayscale picture: R, G and B of each pixel are equal,
    /// and files are written with one channel in place of three.
    pub gray: bool,
    /// Opacity of each pixel, `width * height` bytes, where there is any.
    /// Straight: `rgb` is not multiplied with it.
    pub alpha: Option<Vec<u8>>,
    /// The ICC colour profile that `rgb` is in, where the file had one.
    pub icc_profile: Option<Vec<u8>>,
}

impl Picture {
    /// An opaque colour picture without a profile.
    ///
    /// # Panics
    /// When a side is 0 or `rgb` does not hold `3 * width * height` bytes.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert!(
            width > 0 && height > 0 && rgb.len() == 3 * width * height,
            "picture: {} bytes for {width}x{height} pixels",
            rgb.len()
        );
        Self {
            width,
            height,
            rgb,
            gray: false,
            alpha: None,
            icc_profile: None,
        }
    }

    /// Whether the buffers are of the image's size, and that is not zero.
    pub fn is_consistent(&self) -> bool {
        let pixels = self
            .width
            .checked_mul(self.height)
            .filter(|&pixels| pixels > 0);
        let fits = |bytes: usize, channels: usize| {
            pixels.and_then(|pixels| pixels.checked_mul(channels)) == Some(bytes)
        };
        fits(self.rgb.len(), 3) && self.alpha.as_ref().is_none_or(|alpha| fits(alpha.len(), 1))
    }

    /// Whether every pixel is wholly opaque.
    pub fn is_opaque(&self) -> bool {
        let mut alpha = self.alpha.iter().flatten();
        alpha.all(|&alpha| alpha == u8::MAX)
    }

    /// The picture as grayscale: each pixel becomes the rounded mean of its
    /// R, G and B. Meant for results that should be gray and nearly are.
    pub fn into_gray(mut self) -> Self {
        for pixel in self.rgb.chunks_exact_mut(3) {
            let sum: u16 = pixel.iter().map(|&byte| u16::from(byte)).sum();
            pixel.fill(((2 * sum + 3) / 6) as u8);
        }
        self.gray = true;
        self
    }
}

/// Whether the colours of an ICC profile are RGB ones; its header says so.
fn is_rgb_profile(profile: &[u8]) -> bool {
    profile.get(16..20) == Some(b"RGB ")
}
