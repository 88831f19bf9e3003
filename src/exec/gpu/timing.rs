//! Time of each kernel, by the GPU's own clock.

use super::adapter::Gpu;
use super::buffers::buffer;
use super::executor::GpuExecutor;
use super::readback::Staging;
use crate::exec::{ExecError, Executor};
use std::time::Duration;

/// One timed kernel of a step; all its dispatches, where it is split.
#[derive(Clone, Debug)]
pub struct DispatchTime {
    /// Index of the plan's step.
    pub step: usize,
    /// Shader and entry point.
    pub kernel: String,
    /// Time on the device.
    pub time: Duration,
}

impl GpuExecutor {
    /// Runs a phase with every dispatch in a pass of its own, in submits as
    /// short as those of an ordinary run, and returns how long each kernel took; `None` if the adapter has no timestamps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn profile(
        &mut self,
        phase: usize,
        record: usize,
    ) -> Result<Option<Vec<DispatchTime>>, ExecError> {
        if !self.gpu().summary.timestamps {
            return Ok(None);
        }
        self.wait(0)?;
        let submits = self.submits(phase);
        let mut times: Vec<DispatchTime> = Vec::new();
        // A query set holds at most 4096 queries.
        let chunks = submits
            .into_iter()
            .flat_map(|(range, _)| self.commands[range].chunks(2048));
        for chunk in chunks {
            let ticks = self.time_chunk(chunk, record)?;
            let period = f64::from(self.gpu().queue.get_timestamp_period());
            for (command, pair) in chunk.iter().zip(ticks.chunks_exact(2)) {
                let nanoseconds = pair[1].saturating_sub(pair[0]) as f64 * period;
                let time = Duration::from_nanos(nanoseconds as u64);
                let (shader, entry) = (command.dispatch.shader, command.dispatch.entry);
                let kernel = format!("{}/{entry}", shader.name());
                let step = command.step;
                match times.last_mut() {
                    Some(last) if last.step == step && last.kernel == kernel => last.time += time,
                    _ => times.push(DispatchTime { step, kernel, time }),
                }
            }
        }
        Ok(Some(times))
    }

    fn time_chunk(
        &self,
        chunk: &[super::executor::Command],
        record: usize,
    ) -> Result<Vec<u64>, ExecError> {
        let gpu: &Gpu = self.gpu();
        let count = 2 * chunk.len() as u32;
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("dispatch times"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let bytes = 8 * u64::from(count);
        let resolved = buffer(gpu, "dispatch times", bytes, usage);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        for (index, command) in chunk.iter().enumerate() {
            let first = 2 * index as u32;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(first),
                    end_of_pass_write_index: Some(first + 1),
                }),
            });
            self.encode(&mut pass, command, record);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        gpu.queue.submit([encoder.finish()]);
        let ticks = Staging::new(gpu, bytes)?.read(gpu, &resolved, bytes)?;
        Ok(bytemuck::pod_collect_to_vec(&ticks))
    }
}
