//! The most that a device reaches, measured.

use crate::common::Device;
use rayon::prelude::*;
use srdiff::exec::ExecError;
use std::time::Instant;

/// Rates a second.
pub struct Peak {
    pub flops: f64,
    pub bytes: f64,
}

pub fn measure(device: &Device) -> Result<Peak, ExecError> {
    match device {
        Device::Cpu => Ok(Peak {
            flops: matrix_products(),
            bytes: copies(),
        }),
        Device::Gpu(gpu, _) => {
            let peak = gpu.measure_peak()?;
            Ok(Peak {
                flops: peak.flops,
                bytes: peak.bytes,
            })
        }
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
    (0..5).map(rate).fold(0.0, f64::max)
}

/// Every thread multiplies matrices of 768 x 768 by the `gemm` crate.
fn matrix_products() -> f64 {
    const SIDE: usize = 768;
    let threads = rayon::current_num_threads();
    let (a, b) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
    let mut results = vec![vec![0.0f32; SIDE * SIDE]; threads];
    let flops = (2 * SIDE * SIDE * SIDE * threads * 2) as f64;
    best(flops, || {
        results.par_iter_mut().for_each(|y| {
            for _ in 0..2 {
                let pitch = SIDE as isize;
                // SAFETY: all three are SIDE x SIDE, and y is this thread's.
                unsafe {
                    gemm::gemm(
                        SIDE,
                        SIDE,
                        SIDE,
                        y.as_mut_ptr(),
                        pitch,
                        1,
                        false,
                        a.as_ptr(),
                        pitch,
                        1,
                        b.as_ptr(),
                        pitch,
                        1,
                        0.0f32,
                        1.0,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
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
