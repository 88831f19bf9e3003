//! Pictures: files to pixels and back, colour, bicubic resizing, and the
//! measures of the field.

/// A picture of 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels; at least 1.
    pub width: usize,
    /// Height in pixels; at least 1.
    pub height: usize,
    /// R, G, B of each pixel, row by row: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
    /// Opacity of each pixel, `width * height` bytes, where there is any.
    pub alpha: Option<Vec<u8>>,
    /// The ICC colour profile that `rgb` is in, where the file had one.
    pub icc_profile: Option<Vec<u8>>,
}
