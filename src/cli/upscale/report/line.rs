//! The lines of `--json`.

use crate::cli::failure::Failure;
use serde::Serialize;

/// One line of `--json`.
#[derive(Debug, Default, Serialize)]
pub struct Line<'a> {
    pub input: String,
    pub output: Option<String>,
    /// done, skipped or failed
    pub status: &'a str,
    pub width: Option<usize>,
    pub height: Option<usize>,
    pub seconds: Option<f64>,
    pub device: Option<&'a str>,
    pub precision: Option<String>,
    /// In dB; none if the result shrinks to the input exactly.
    pub lr_psnr: Option<f64>,
    /// Width and height of the tiles, in pixels of the input.
    pub tile: Option<[usize; 2]>,
    pub tiles: Option<usize>,
    /// Which frame or page of the input it is, of how many, and how long it is shown.
    pub frame: Option<usize>,
    pub frames: Option<usize>,
    pub duration_ms: Option<f64>,
    /// result, mean or sigma
    pub kind: Option<&'a str>,
    /// The number of the result among those of its image.
    pub sample: Option<usize>,
    /// Mean standard deviation of the samples, in levels of 255.
    pub mean_sigma: Option<f64>,
    /// The standard deviation that is white in the heat map.
    pub white: Option<f32>,
    pub sampler: String,
    pub steps: usize,
    pub seed: u64,
    pub notes: &'a [String],
    pub error: Option<ErrorLine>,
}

#[derive(Debug, Serialize)]
pub struct ErrorLine {
    /// The exit code that this failure alone would have.
    pub code: u8,
    pub message: String,
}

impl ErrorLine {
    pub fn new(failure: &Failure) -> Self {
        Self {
            code: failure.exit_code(),
            message: failure.to_string(),
        }
    }
}
