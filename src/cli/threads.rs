//! The threads that compute.

use super::failure::Failure;
use gemm_common::cache::CACHE_INFO;
use gemm_common::gemm::L2_SLAB;
use std::error::Error;
use std::hint::black_box;

/// What is small and nobody asks about.
const SMALL: usize = 1 << 20;

/// Lets all threads allocate from one heap, before there are others.
pub fn share_one_heap() {
    // glibc gives each thread a heap of its own, 64 MiB of addresses that are then
    // missing where addresses are limited. All that is large is mapped in any case,
    // and threads here allocate little that is small, so they do not wait for each
    // other.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes numbers, and fails by its result alone. No other thread runs
    // yet that could allocate meanwhile.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Starts so many threads, or as many as there are cores for 0, with the memory that
/// each of them keeps. If they started when an image is there, a lack of memory for
/// them would end the program.
pub fn start(count: usize) -> Result<(), Failure> {
    let failed = |reason| Failure::Threads {
        input: None,
        reason,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.build_global().map_err(|error| {
        // What the system says is inside.
        failed(
            error
                .source()
                .map_or(error.to_string(), ToString::to_string),
        )
    })?;
    let kept = rayon::current_num_threads() * CACHE_INFO[1].cache_bytes + SMALL;
    let mut probe = Vec::<u8>::new();
    probe
        .try_reserve_exact(kept)
        .map_err(|error| failed(error.to_string()))?;
    // Else compilers leave it out.
    drop(black_box(probe));
    // gemm's scratch memory.
    rayon::broadcast(|_| L2_SLAB.with(|_| ()));
    Ok(())
}
