//! Winograd's convolutions F(4x4, 3x3), the 4 x 4 results of a tile of 6 x 6
//! pixels with 36 products for each pair of channels, not 144, and F(2x2, 3x3),
//! 2 x 2 results of 4 x 4 pixels with 16 products, not 36.
//!
//! ```text
//! y = Aᵀ [ (G g Gᵀ) * (Bᵀ d B) ] A       (* element by element)
//! ```
//!
//! The matrices are those of Toom and Cook, of F(2x2, 3x3) for the points 0, ±1
//! and infinity, of F(4x4, 3x3) for 0, ±√½, ±√2 and infinity, which lose about
//! half the digits that 0, ±1, ±2 do
//! ("Fast Algorithms for Convolutional Neural Networks", Lavin and Gray, 2016;
//! "Error Analysis and Improving the Accuracy of Winograd Convolution",
//! Barabasz et al., 2020).

use serde::{Deserialize, Serialize};

/// One of the two convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Winograd {
    /// F(2x2, 3x3).
    F2,
    /// F(4x4, 3x3).
    F4,
}

/// Results of a tile of F(4x4, 3x3) along each axis.
pub const OUTPUTS: usize = Winograd::F4.outputs();
/// Pixels that a tile of F(4x4, 3x3) sees along each axis, and products.
pub const POINTS: usize = Winograd::F4.points();

/// The smaller positive point of F(4x4, 3x3), √½. Its square is [`A2`].
pub const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// The larger point, √2. Its square is [`B2`].
pub const B: f32 = std::f32::consts::SQRT_2;
pub const A2: f32 = 0.5;
pub const B2: f32 = 2.0;

impl Winograd {
    /// Results of a tile along each axis.
    pub const fn outputs(self) -> usize {
        match self {
            Self::F2 => 2,
            Self::F4 => 4,
        }
    }

    /// Pixels that a tile sees along each axis, and products.
    pub const fn points(self) -> usize {
        self.outputs() + 2
    }

    /// G: from a kernel's 3 elements along an axis to the products. Row `i` of
    /// a finite point `p` is `(1, p, p²) / ∏ (p - q)` over the other points `q`.
    pub fn kernel_matrix(self) -> Vec<[f64; 3]> {
        let (a, b) = (0.5f64.sqrt(), 2f64.sqrt());
        let points = match self {
            Self::F2 => vec![0.0, 1.0, -1.0],
            Self::F4 => vec![0.0, a, -a, b, -b],
        };
        let row = |p: &f64| {
            let others = points.iter().filter(|&q| q != p);
            let scale: f64 = others.map(|q| p - q).product();
            [1.0, *p, p * p].map(|power| power / scale)
        };
        let infinity = [0.0, 0.0, 1.0];
        points.iter().map(row).chain([infinity]).collect()
    }

    /// G g Gᵀ of each of the 3 x 3 kernels that follow one another in
    /// `kernels`, computed in f64.
    pub fn transform_kernels(self, kernels: &[f32]) -> Vec<f32> {
        let g = self.kernel_matrix();
        let dot = |row: &[f64; 3], values: [f64; 3]| {
            row[0] * values[0] + row[1] * values[1] + row[2] * values[2]
        };
        let products = self.points() * self.points();
        let mut transformed = Vec::with_capacity(kernels.len() / 9 * products);
        for kernel in kernels.chunks_exact(9) {
            for row in &g {
                let along_columns =
                    [0, 1, 2].map(|j| dot(row, [0, 3, 6].map(|i| f64::from(kernel[i + j]))));
                transformed.extend(g.iter().map(|row| dot(row, along_columns) as f32));
            }
        }
        transformed
    }
}
