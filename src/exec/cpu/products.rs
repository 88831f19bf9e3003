//! Matrix products over pixels: what convolutions are made of.

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

/// Products over several views of one array, added up: with pixel `p` of view
/// `u` at `x[starts[u] + p * x_pitch..]`,
/// `y[p, o] = sum_u sum_k x_u[p, k] * weights[u, k, o]`, pixels of y `outputs` apart.
///
/// # Panics
/// When a view or y is too short.
pub(super) fn multiply_views(
    pixels: usize,
    (x, x_pitch): (&[f32], usize),
    starts: &[usize],
    weights: &[f32],
    (y, outputs): (&mut [f32], usize),
) {
    let of_view = weights.len() / starts.len();
    let depth = of_view / outputs;
    assert!(y.len() >= pixels * outputs, "products: y of {}", y.len());
    for (u, (&start, weights)) in starts.iter().zip(weights.chunks_exact(of_view)).enumerate() {
        let (x, len) = (&x[start..], (pixels - 1) * x_pitch + depth);
        assert!(x.len() >= len, "products: view {u} of {}", x.len());
        // SAFETY: x and y are long enough, by the assertions, and y is ours.
        unsafe {
            multiply(
                [pixels, depth, outputs],
                (x.as_ptr(), [x_pitch, 1]),
                (weights.as_ptr(), outputs),
                (y.as_mut_ptr(), outputs),
                u > 0,
            );
        }
    }
}
