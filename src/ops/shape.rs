//! Logical shapes of values.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The logical shape of a value: batch, channels, height, width.
///
/// Matrices and vectors use the same four numbers: the rows of a matrix are
/// `n`, its columns `c`, and `h = w = 1`. A convolution's weight is written
/// `n = out channels, c = in channels, h x w = kernel`, as in PyTorch. How
/// the elements lie in memory is a property of the plan, not of the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Batch: samples or tiles computed at once (or rows of a matrix).
    pub n: usize,
    /// Channels (or columns of a matrix).
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Shape {
    pub const fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Self { n, c, h, w }
    }

    pub const fn matrix(rows: usize, columns: usize) -> Self {
        Self::new(rows, columns, 1, 1)
    }

    pub const fn vector(c: usize) -> Self {
        Self::new(1, c, 1, 1)
    }

    pub const fn elements(&self) -> usize {
        self.n * self.c * self.h * self.w
    }

    /// Pixels of one channel of one sample.
    pub const fn pixels(&self) -> usize {
        self.h * self.w
    }

    pub const fn with_channels(self, c: usize) -> Self {
        Self { c, ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.n, self.c, self.h, self.w)
    }
}
