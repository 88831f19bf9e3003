//! The time that a node takes.

use super::node_graph::PHASE;
use crate::exec::gpu::GpuExecutor;
use crate::exec::{ExecError, Executor};
use std::time::{Duration, Instant};

/// A node alone that is loaded, so many times in one phase.
pub struct Loaded {
    pub executor: GpuExecutor,
    pub repeats: usize,
}

impl Loaded {
    /// Microseconds of one run of the node: by the GPU's own clock where it has
    /// one, else by ours, all repeats in one submit.
    pub fn time(&mut self) -> Result<f64, ExecError> {
        let total = match self.executor.profile(PHASE, 0)? {
            Some(times) => times.iter().map(|dispatch| dispatch.time).sum(),
            None => Duration::ZERO,
        };
        // Some clocks stand still for short kernels.
        let total = match total {
            Duration::ZERO => self.wall_time()?,
            total => total,
        };
        Ok(total.as_secs_f64() * 1e6 / self.repeats as f64)
    }

    fn wall_time(&mut self) -> Result<Duration, ExecError> {
        self.executor.wait(0)?;
        let start = Instant::now();
        self.executor.run(PHASE, 0)?;
        self.executor.wait(0)?;
        Ok(start.elapsed())
    }
}

pub fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}
