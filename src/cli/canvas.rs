//! A picture to draw others on.

use super::failure::Failure;
use srdiff::image::{EncodeOptions, OutputFormat, Picture};
use std::path::Path;

/// A white picture to draw on.
pub struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            rgb: vec![255; 3 * width * height],
        }
    }

    /// Leaves only the upper rows.
    pub fn crop(&mut self, height: usize) {
        self.height = height;
        self.rgb.truncate(3 * self.width * height);
    }

    pub fn fill(
        &mut self,
        [left, top]: [usize; 2],
        [width, height]: [usize; 2],
        pixel: impl Fn(usize, usize) -> [u8; 3],
    ) {
        for y in 0..height {
            let start = 3 * ((top + y) * self.width + left);
            let row = &mut self.rgb[start..start + 3 * width];
            for (x, place) in row.chunks_exact_mut(3).enumerate() {
                place.copy_from_slice(&pixel(x, y));
            }
        }
    }

    pub fn into_picture(self) -> Picture {
        Picture::new(self.width, self.height, self.rgb)
    }

    pub fn save(self, path: &Path, overwrite: bool) -> Result<(), Failure> {
        self.into_picture()
            .save(
                path,
                OutputFormat::Png,
                &EncodeOptions::default(),
                overwrite,
            )
            .map_err(Failure::Output)
    }
}
