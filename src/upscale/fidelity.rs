//! Whether a result still shows its input.

use crate::host_memory::NoMemory;
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
    /// Width and height of the input.
    size: [usize; 2],
    /// Width of the result.
    width: usize,
    /// Three planes of the result, three of the enlarged input.
    shrinking: RowResizing,
    squares: Squares,
}

/// Sums of squares of the differences: of the result and of bicubic enlargement.
struct Squares {
    /// Of the rows of blocks that are complete.
    sums: [f64; 2],
    /// Of each block in the row of blocks that is not.
    blocks: Vec<[f64; 2]>,
    has_lost_block: bool,
}

impl<'a> Fidelity<'a> {
    pub fn new(colors: &'a Colors<'a>, size: [usize; 2], scale: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            colors,
            size,
            width: size[0] * scale,
            shrinking: RowResizing::new(size.map(|side| side * scale), size)?,
            squares: Squares {
                sums: [0.0; 2],
                blocks: vec![[0.0; 2]; blocks(size[0])],
                has_lost_block: false,
            },
        })
    }

    /// Takes the next rows of the result and of the enlarged input, both in
    /// about [-1, 1].
    pub fn push(&mut self, rows: usize, sr: &Planes<'_>, up: &Planes<'_>) -> Result<(), NoMemory> {
        let [width, height] = self.size;
        for row in 0..rows {
            let planes: [&[f32]; 6] = std::array::from_fn(|plane| {
                let of = if plane < 3 { sr } else { up };
                of.row(plane % 3, row, self.width)
            });
            self.shrinking.push(&planes, |y, shrunk| {
                let lr = self.colors.window([0, y as isize], [width, 1])?;
                for (plane, shrunk) in shrunk.iter().enumerate() {
                    let lr = &lr[plane % 3 * width..];
                    for (x, (&lr, &shrunk)) in lr.iter().zip(shrunk).enumerate() {
                        // No level is above white or below black.
                        let level = ((shrunk + 1.0) / 2.0).clamp(0.0, 1.0);
                        let square = (level - f64::from(lr)).powi(2);
                        self.squares.blocks[block(x, width)][plane / 3] += square;
                    }
                }
                if y + 1 == height || block(y + 1, height) > block(y, height) {
                    let first = BLOCK * block(y, height);
                    self.squares.end_blocks(width, y + 1 - first);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// PSNR of the shrunk result, in dB; infinite if it equals the input.
    pub fn lr_psnr(&self) -> f64 {
        let [difference, _] = differences(self.squares.sums, self.size);
        20.0 * (255.0 / difference).log10()
    }

    /// Whether the result, or a block of it, is no enlargement of the input.
    pub fn is_lost(&self) -> bool {
        self.squares.has_lost_block
    }
}

impl Squares {
    /// Judges a row of blocks of an image, `height` LR pixels high.
    fn end_blocks(&mut self, width: usize, height: usize) {
        let last = self.blocks.len() - 1;
        for (index, sums) in self.blocks.iter_mut().enumerate() {
            let width = match index == last {
                true => width - BLOCK * last,
                false => BLOCK,
            };
            let [result, bicubic] = differences(*sums, [width, height]);
            self.has_lost_block |= result.is_nan() || result > ABSOLUTE + RELATIVE * bicubic;
            for (sum, of_block) in self.sums.iter_mut().zip(std::mem::take(sums)) {
                *sum += of_block;
            }
        }
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

/// Root mean squares over `size`, in levels of 255.
fn differences(squares: [f64; 2], size: [usize; 2]) -> [f64; 2] {
    let count = (3 * size[0] * size[1]) as f64;
    squares.map(|sum| 255.0 * (sum / count).sqrt())
}

#[cfg(test)]
mod tests;
