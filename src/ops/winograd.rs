//! Winograd's convolution F(4x4, 3x3): the 4 x 4 results of a tile of
//! 6 x 6 pixels with 36 products for each pair of channels, not 144.
//!
//! ```text
//! y = Aᵀ [ (G g Gᵀ) * (Bᵀ d B) ] A       (* element by element)
//! ```
//!
//! The matrices are those of Toom and Cook for the points 0, ±√½, ±√2 and
//! infinity, which lose about half the digits that 0, ±1, ±2 do
//! ("Fast Algorithms for Convolutional Neural Networks", Lavin and Gray, 2016;
//! "Error Analysis and Improving the Accuracy of Winograd Convolution",
//! Barabasz et al., 2020).

/// Results of a tile along each axis.
pub const OUTPUTS: usize = 4;
/// Pixels that a tile sees along each axis, and products.
pub const POINTS: usize = 6;

/// The smaller positive point, √½. Its square is [`A2`].
pub const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// The larger point, √2. Its square is [`B2`].
pub const B: f32 = std::f32::consts::SQRT_2;
pub const A2: f32 = 0.5;
pub const B2: f32 = 2.0;

/// G: from a kernel's 3 elements along an axis to the 6 products. Row `i` of
/// a finite point `p` is `(1, p, p²) / ∏ (p - q)` over the other points `q`.
pub fn kernel_matrix() -> [[f64; 3]; POINTS] {
    let (a, b) = (0.5f64.sqrt(), 2f64.sqrt());
    let points = [0.0, a, -a, b, -b];
    let mut matrix = [[0.0, 0.0, 1.0]; POINTS];
    for (row, p) in matrix.iter_mut().zip(points) {
        let others = points.iter().filter(|&&q| q != p);
        let scale: f64 = others.map(|q| p - q).product();
        *row = [1.0, p, p * p].map(|power| power / scale);
    }
    matrix
}

/// G g Gᵀ of each of the 3 x 3 kernels that follow one another in `kernels`,
/// computed in f64.
pub fn transform_kernels(kernels: &[f32]) -> Vec<f32> {
    let g = kernel_matrix();
    let dot = |row: &[f64; 3], values: [f64; 3]| {
        row[0] * values[0] + row[1] * values[1] + row[2] * values[2]
    };
    let mut transformed = Vec::with_capacity(kernels.len() / 9 * POINTS * POINTS);
    for kernel in kernels.chunks_exact(9) {
        for row in &g {
            let along_columns =
                [0, 1, 2].map(|j| dot(row, [0, 3, 6].map(|i| f64::from(kernel[i + j]))));
            transformed.extend(g.iter().map(|row| dot(row, along_columns) as f32));
        }
    }
    transformed
}
