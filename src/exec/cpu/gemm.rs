//! Matrix products of linear layers and attention.

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// `y[p, o] = sum_k x[p, k] * weights[k, o]`, or `y[p, o] +=` if `add`, for
/// `sizes`: the numbers of p, k and o. Each matrix is an address and the
/// distance of its rows in elements; x has that of its columns besides.
///
/// Rows of x may overlap: a row of a 3x3 kernel over channels-last pixels is
/// `k = 3 * channels` contiguous elements, one pixel on for the next one.
///
/// # Safety
/// All elements of the three matrices lie in memory; nobody writes x and the
/// weights meanwhile, or touches y.
pub(super) unsafe fn multiply(
    [pixels, depth, outputs]: [usize; 3],
    (x, x_distances): (*const f32, [usize; 2]),
    (weights, weights_pitch): (*const f32, usize),
    (y, y_pitch): (*mut f32, usize),
    add: bool,
) {
    let [x_pitch, x_column] = x_distances.map(|distance| distance as isize);
    // Written the other way round, y^T = weights^T x^T: then the vectors of
    // the micro-kernel run along contiguous output channels.
    // SAFETY: the caller's promise.
    unsafe {
        get_gemm_fn()(
            outputs,
            pixels,
            depth,
            y,
            y_pitch as isize,
            1,
            add,
            weights,
            weights_pitch as isize,
            1,
            x,
            x_pitch,
            x_column,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
