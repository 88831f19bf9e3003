//! What is told of a result.

use srdiff::upscale::Report as How;
use std::time::{Duration, Instant};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Result,
    /// The mean of all results.
    Mean,
    /// Their standard deviation: its mean and what is white, in levels of 255.
    Sigma {
        mean: f64,
        white: f32,
    },
}

/// How a result came about.
#[derive(Clone, Debug)]
pub struct Made {
    /// Width and height of the result.
    pub size: [usize; 2],
    pub device: String,
    pub kind: Kind,
    /// None of what several results together tell.
    pub how: Option<How>,
    pub notes: Vec<String>,
    pub load: Duration,
    pub upscale: Duration,
    /// When its last row was there.
    pub done: Instant,
    pub save: Duration,
}
