//! Whether a result still shows its input.

use crate::host_memory::{NoMemory, collected, zeros};
use crate::image::{Colors, Planes, RowResizing};

/// A result is refused when a block of it differs from its input by more than
/// this many levels of 255 (root mean square, after shrinking it), plus what
/// bicubic enlargement differs by there, times [`RELATIVE`].
const ABSOLUTE: f64 = 12.0;
const RELATIVE: f64 = 1.5;

/// Width and height of a block, in LR pixels: small enough that a spoilt tile
/// of a large image is not lost in its mean.
const BLOCK: usize = 32;

/// Compares a result, shrunk to the size of the input, with the input, row by
/// row as the result comes.
pub(super) struct Fidelity<'a> {
    colors: &'a Colors<'a>,
    /// Width of the result.
    width: usize,
    /// Three planes of the result, three of the enlarged input.
    shrinking: RowResizing,
    /// Of each block, the sums of squares of the differences: of the result and
    /// of bicubic enlargement.
    squares: Vec<[f64; 2]>,
}

impl<'a> Fidelity<'a> {
    /// Of a result of this size.
    pub fn new(colors: &'a Colors<'a>, result: [usize; 2]) -> Result<Self, NoMemory> {
        let [across, down] = colors.size().map(blocks);
        Ok(Self {
            colors,
            width: result[0],
            shrinking: RowResizing::new(result, colors.size(), colors.border())?,
            squares: zeros(across * down)?,
        })
    }

    /// Takes the next rows of the result and of the enlarged input, both in
    /// about [-1, 1].
    pub fn push(&mut self, rows: usize, sr: &Planes<'_>, up: &Planes<'_>) -> Result<(), NoMemory> {
        let [width, height] = self.colors.size();
        for row in 0..rows {
            // No level is above white or below black.
            let mut planes: [Vec<f32>; 6] = Default::default();
            for (plane, values) in planes.iter_mut().enumerate() {
                let of = if plane < 3 { sr } else { up };
                let row = of.row(plane % 3, row, self.width);
                *values = collected(self.width, row.iter().map(|v| v.clamp(-1.0, 1.0)))?;
            }
            let planes = planes.each_ref().map(Vec::as_slice);
            self.shrinking.push(&planes, |y, shrunk| {
                let first = block(y, height) * blocks(width);
                let lr = self.colors.window([0, y as isize], [width, 1])?;
                for (plane, shrunk) in shrunk.iter().enumerate() {
                    let lr = &lr[plane % 3 * width..];
                    for (x, (&lr, &shrunk)) in lr.iter().zip(shrunk).enumerate() {
                        // The kernel's negative weights may go beyond.
                        let level = ((shrunk + 1.0) / 2.0).clamp(0.0, 1.0);
                        let square = (level - f64::from(lr)).powi(2);
                        self.squares[first + block(x, width)][plane / 3] += square;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// PSNR of the shrunk result, in dB; infinite if it equals the input.
    pub fn lr_psnr(&self) -> f64 {
        let squares = self.squares.iter().map(|[of_result, _]| of_result).sum();
        let [difference, _] = differences([squares, 0.0], self.colors.size());
        20.0 * (255.0 / difference).log10()
    }

    /// Whether the result, or a block of it, is no enlargement of the input.
    pub fn is_lost(&self) -> bool {
        let [width, height] = self.colors.size();
        self.squares.iter().enumerate().any(|(index, squares)| {
            let (x, y) = (index % blocks(width), index / blocks(width));
            let size = [length(x, width), length(y, height)];
            let [result, bicubic] = differences(*squares, size);
            result.is_nan() || result > ABSOLUTE + RELATIVE * bicubic
        })
    }
}

/// Blocks along a side of an image. The last one is larger than the others
/// rather than a sliver, whose mean tells little.
fn blocks(side: usize) -> usize {
    (side / BLOCK).max(1)
}

/// The block of a pixel along a side of an image.
fn block(at: usize, side: usize) -> usize {
    (at / BLOCK).min(blocks(side) - 1)
}

/// The pixels of a block along a side of an image.
fn length(block: usize, side: usize) -> usize {
    match block + 1 == blocks(side) {
        true => side - BLOCK * block,
        false => BLOCK,
    }
}

/// Root mean squares over `size`, in levels of 255.
fn differences(squares: [f64; 2], size: [usize; 2]) -> [f64; 2] {
    let count = (3 * size[0] * size[1]) as f64;
    squares.map(|sum| 255.0 * (sum / count).sqrt())
}

#[cfg(test)]
mod tests;
