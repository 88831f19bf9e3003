//! The most that a device reaches, measured.

use crate::common::Device;
use rayon::prelude::*;
use srdiff::exec::ExecError;
use std::time::Instant;

mod gpu_peak;

pub use gpu_peak::Peak;

pub fn measure(device: &Device) -> Result<Peak, ExecError> {
    match device {
        Device::Cpu(_) => Ok(Peak {
            flops: matrix_products(),
            by: "matrix products in f32".to_owned(),
            bytes: copies(),
        }),
        Device::Gpu(gpu, precision, _) => gpu_peak::measure(gpu, *precision),
    }
}

/// The best of a few tries at `work` units.
fn best(work: f64, mut run: impl FnMut()) -> f64 {
    run();
    let rate = |_| {
        let start = Instant::now();
        run();
        work / start.elapsed().as_secs_f64()
    };
    (0..8).map(rate).fold(0.0, f64::max)
}

/// Every thread multiplies matrices by the `gemm` crate, in its own cache and
/// beyond; the shape that does best counts.
fn matrix_products() -> f64 {
    [
        (64, 512, 576),
        (128, 400, 1152),
        (256, 256, 256),
        (768, 768, 768),
    ]
    .into_iter()
    .map(|(m, n, k)| matrix_product(m, n, k))
    .fold(0.0, f64::max)
}

/// `m x k` times `k x n`.
fn matrix_product(m: usize, n: usize, k: usize) -> f64 {
    const FLOPS: usize = 1_000_000_000;
    let repeats = FLOPS.div_ceil(2 * m * n * k);
    let threads = rayon::current_num_threads();
    let (a, b) = (vec![0.5f32; m * k], vec![0.25f32; k * n]);
    let mut results = vec![vec![0.0f32; m * n]; threads];
    let flops = (2 * m * n * k * repeats * threads) as f64;
    best(flops, || {
        results.par_iter_mut().for_each(|y| {
            for _ in 0..repeats {
                // SAFETY: the arrays have just these extents, and y is this
                // thread's.
                unsafe {
                    gemm_f32::gemm::f32::get_gemm_fn()(
                        m,
                        n,
                        k,
                        y.as_mut_ptr(),
                        m as isize,
                        1,
                        false,
                        a.as_ptr(),
                        m as isize,
                        1,
                        b.as_ptr(),
                        k as isize,
                        1,
                        0.0f32,
                        1.0,
                        false,
                        false,
                        false,
                        gemm_common::Parallelism::None,
                    );
                }
            }
        });
    })
}

/// Every thread copies its part of 256 MiB; bytes read and written.
fn copies() -> f64 {
    let x = vec![1.0f32; 64 << 20];
    let mut y = vec![0.0f32; x.len()];
    let chunk = x.len() / rayon::current_num_threads();
    best(8.0 * x.len() as f64, || {
        y.par_chunks_mut(chunk)
            .zip(x.par_chunks(chunk))
            .for_each(|(y, x)| y.copy_from_slice(x));
    })
}
