//! Time of each kernel, by the GPU's own clock.

use super::buffers::{READBACK, buffer};
use super::executor::GpuExecutor;
use super::readback;
use super::runs::{Next, Run};
use crate::exec::{ExecError, Executor};
use std::ops::Range;
use std::time::Duration;

/// One timed kernel of a node; all its dispatches, where it is split.
#[derive(Clone, Debug)]
pub struct DispatchTime {
    /// Index of the program's node.
    pub node: usize,
    /// Shader and entry point.
    pub kernel: String,
    pub time: Duration,
}

impl GpuExecutor {
    /// Runs a phase with every dispatch in a pass of its own, in submits as
    /// short as those of an ordinary run, and returns how long each kernel
    /// took; `None` if the adapter has no timestamps.
    ///
    /// # Errors
    /// When the device fails.
    pub fn profile(
        &mut self,
        phase: &str,
        record: usize,
    ) -> Result<Option<Vec<DispatchTime>>, ExecError> {
        if !self.gpu().summary.timestamps {
            return Ok(None);
        }
        self.wait(0)?;
        let runs = self.known(&[(phase, record)])?;
        let mut times: Vec<DispatchTime> = Vec::new();
        let mut next = Next::default();
        let submits = std::iter::from_fn(|| self.next_submit(&runs, &mut next));
        // A query set holds at most 4096 queries.
        let chunks = submits.flat_map(|submit| submit.parts).flat_map(|part| {
            let range = part.commands;
            let starts = range.clone().step_by(2048);
            starts.map(move |start| start..range.end.min(start + 2048))
        });
        let run = runs[0];
        for chunk in chunks {
            let ticks = self.time_chunk(run, chunk.clone())?;
            let period = f64::from(self.gpu().queue.get_timestamp_period());
            let commands = &self.lowered.phases[run.phase].commands[chunk];
            for (command, pair) in commands.iter().zip(ticks.chunks_exact(2)) {
                let nanoseconds = pair[1].saturating_sub(pair[0]) as f64 * period;
                let time = Duration::from_nanos(nanoseconds as u64);
                let pipeline = &self.lowered.pipelines[command.pipeline];
                let shader = &self.lowered.modules[pipeline.module].shader;
                let kernel = format!("{shader}/{}", pipeline.entry);
                let node = command.node;
                let of_node = times
                    .iter_mut()
                    .rev()
                    .take_while(|known| known.node == node);
                match of_node.into_iter().find(|known| known.kernel == kernel) {
                    Some(known) => known.time += time,
                    None => times.push(DispatchTime { node, kernel, time }),
                }
            }
        }
        Ok(Some(times))
    }

    fn time_chunk(&self, run: Run, chunk: Range<usize>) -> Result<Vec<u64>, ExecError> {
        let gpu = self.gpu();
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
        for (index, command) in chunk.enumerate() {
            let first = 2 * index as u32;
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(first),
                    end_of_pass_write_index: Some(first + 1),
                }),
            });
            self.encode(&mut pass, run, command);
        }
        encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
        gpu.work.submit(gpu, Some(encoder.finish()));
        let staging = buffer(gpu, "dispatch times read", bytes, READBACK);
        let ticks = readback::read(gpu, &staging, &resolved, bytes)?;
        Ok(bytemuck::pod_collect_to_vec(&ticks))
    }
}
