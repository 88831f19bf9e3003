//! Whether a result still shows its input.

use crate::host_memory::NoMemory;
use crate::image::{Colors, Planes, RowResizing};

/// A result is refused when it differs from its input by more than this many
/// levels of 255 (root mean square, after shrinking it), plus what bicubic
/// enlargement differs by, times [`RELATIVE`].
const ABSOLUTE: f64 = 12.0;
const RELATIVE: f64 = 1.5;

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
    /// Sums of squares for the result and for bicubic enlargement.
    squares: [f64; 2],
}

impl<'a> Fidelity<'a> {
    pub fn new(colors: &'a Colors<'a>, size: [usize; 2], scale: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            colors,
            size,
            width: size[0] * scale,
            shrinking: RowResizing::new(size.map(|side| side * scale), size)?,
            squares: [0.0; 2],
        })
    }

    /// Takes the next rows of the result and of the enlarged input, both in
    /// about [-1, 1].
    pub fn push(&mut self, rows: usize, sr: &Planes<'_>, up: &Planes<'_>) -> Result<(), NoMemory> {
        for row in 0..rows {
            let planes: [&[f32]; 6] = std::array::from_fn(|plane| {
                let of = if plane < 3 { sr } else { up };
                of.row(plane % 3, row, self.width)
            });
            self.shrinking.push(&planes, |y, shrunk| {
                let lr = self.colors.window([0, y as isize], [self.size[0], 1])?;
                for (plane, shrunk) in shrunk.iter().enumerate() {
                    let lr = &lr[plane % 3 * self.size[0]..];
                    for (&lr, &shrunk) in lr.iter().zip(shrunk) {
                        // No level is above white or below black.
                        let level = ((shrunk + 1.0) / 2.0).clamp(0.0, 1.0);
                        self.squares[plane / 3] += (level - f64::from(lr)).powi(2);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Root mean squares of the differences, in levels of 255: of the result,
    /// and of bicubic enlargement.
    fn differences(&self) -> [f64; 2] {
        let count = (3 * self.size[0] * self.size[1]) as f64;
        self.squares.map(|sum| 255.0 * (sum / count).sqrt())
    }

    /// PSNR of the shrunk result, in dB; infinite if it equals the input.
    pub fn lr_psnr(&self) -> f64 {
        let [difference, _] = self.differences();
        20.0 * (255.0 / difference).log10()
    }

    /// Whether the result is no enlargement of the input.
    pub fn is_lost(&self) -> bool {
        let [result, bicubic] = self.differences();
        result.is_nan() || result > ABSOLUTE + RELATIVE * bicubic
    }
}
