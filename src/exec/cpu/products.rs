//! Matrix products over pixels: what convolutions are made of.

use gemm::Parallelism;
use std::cell::RefCell;

/// `y[p, o] = sum_k x[p, k] * weights[k, o]` for `pixels` pixels, or
/// `y[p, o] +=` if `add`; pixels lie `x_pitch` and `y_pitch` elements apart.
///
/// Pixels may overlap in x: a row of a 3x3 kernel over channels-last pixels
/// is `k = 3 * channels` contiguous elements, one pixel on for the next one.
///
/// # Safety
/// `x` is readable up to `(pixels - 1) * x_pitch + k`, `y` writable up to
/// `(pixels - 1) * y_pitch + outputs`; nobody else touches what is written.
#[allow(clippy::too_many_arguments)] // a matrix product has that many
pub(super) unsafe fn multiply(
    pixels: usize,
    x: *const f32,
    x_pitch: usize,
    weights: &[f32],
    outputs: usize,
    y: *mut f32,
    y_pitch: usize,
    add: bool,
) {
    debug_assert_eq!(weights.len() % outputs, 0, "products: weights");
    let depth = weights.len() / outputs;
    // Written the other way round, y^T = weights^T x^T: then the vectors of
    // the micro-kernel run along contiguous output channels.
    // SAFETY: the extents are the caller's promise, and those of `weights`
    // are its length.
    unsafe {
        gemm::gemm(
            outputs,
            pixels,
            depth,
            y,
            y_pitch as isize,
            1,
            add,
            weights.as_ptr(),
            outputs as isize,
            1,
            x,
            x_pitch as isize,
            1,
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
    x: &[f32],
    x_pitch: usize,
    starts: &[usize],
    weights: &[f32],
    outputs: usize,
    y: &mut [f32],
) {
    let of_view = weights.len() / starts.len();
    let depth = of_view / outputs;
    assert!(y.len() >= pixels * outputs, "products: y of {}", y.len());
    for (u, (&start, weights)) in starts.iter().zip(weights.chunks_exact(of_view)).enumerate() {
        let x = &x[start..];
        assert!(
            x.len() >= (pixels - 1) * x_pitch + depth,
            "products: view {u} of {}",
            x.len()
        );
        let (x, y) = (x.as_ptr(), y.as_mut_ptr());
        // SAFETY: x and y are long enough, by the assertions, and y is ours.
        unsafe { multiply(pixels, x, x_pitch, weights, outputs, y, outputs, u > 0) };
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Gives `work` two arrays of the calling thread's own, of unspecified
/// contents. They are allocated once and grow to the largest size asked for.
pub(super) fn with_scratch<R>(
    first: usize,
    second: usize,
    work: impl FnOnce(&mut [f32], &mut [f32]) -> R,
) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < first + second {
            scratch.resize(first + second, 0.0);
        }
        let (first, rest) = scratch.split_at_mut(first);
        work(first, &mut rest[..second])
    })
}
