//! What was submitted to a GPU, whether it was done, and in what time.

use super::adapter::Gpu;
use super::pace::Pace;
use super::pipelines::layout_entry;
use super::readback::poll;
use crate::exec::gpu::{Access, COUNTER_BYTES};
use crate::exec::{ExecError, lock};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long one submit may take. Submits are kept to about a quarter of a
/// second, and the largest dispatch takes seconds on the slowest adapters:
/// what needs this long has stopped.
const LIMIT: Duration = Duration::from_secs(120);

/// All work of a device.
///
/// A driver may drop work and report it as done (Metal and DX12 have been seen
/// to). So every submit of kernels ends with one that counts, and whoever reads
/// a result compares that count with the submits.
#[derive(Debug)]
pub(super) struct Work {
    pub counter: wgpu::Buffer,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    pub limit: Duration,
    state: Mutex<State>,
    /// Whether the next submit of kernels is dropped, as if by the driver.
    #[cfg(test)]
    pub drops: std::sync::atomic::AtomicBool,
    /// Whether submits are not counted, to measure what counting takes.
    #[cfg(test)]
    pub is_idle: std::sync::atomic::AtomicBool,
    /// Floating-point operations of a submit at most, however fast the device.
    #[cfg(test)]
    pub most: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct State {
    pace: Pace,
    /// Submits of kernels, modulo 2^32, as the device counts them.
    counted: u32,
    /// Submits of any kind.
    last: u64,
    /// Those that nobody waited for yet, the oldest first.
    pending: VecDeque<Submit>,
}

#[derive(Clone, Debug)]
struct Submit {
    number: u64,
    index: wgpu::SubmissionIndex,
    flops: u64,
}

/// A submit, and how many submits of kernels there were with it.
pub(super) struct Submitted {
    pub number: u64,
    pub counted: u32,
}

impl Work {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let counter = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("work counter"),
            size: COUNTER_BYTES,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let label = Some("count_work");
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &[
                layout_entry(0, Access::ReadWrite, false),
                layout_entry(1, Access::Read, false),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = include_str!("../../../../shaders/count_work.wgsl");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Self {
            counter,
            pipeline,
            layout,
            limit: LIMIT,
            state: Mutex::new(State {
                pace: Pace::new(),
                counted: 0,
                last: 0,
                pending: VecDeque::new(),
            }),
            #[cfg(test)]
            drops: false.into(),
            #[cfg(test)]
            is_idle: false.into(),
            #[cfg(test)]
            most: u64::MAX.into(),
        }
    }

    /// What counts a submit whose last kernel writes this buffer.
    pub(super) fn counts_after(&self, gpu: &Gpu, written: &wgpu::Buffer) -> wgpu::BindGroup {
        let entry = |binding, buffer, bytes| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: 0,
                size: wgpu::BufferSize::new(bytes),
            }),
        };
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("work counter"),
            layout: &self.layout,
            entries: &[
                entry(0, &self.counter, COUNTER_BYTES),
                entry(1, written, COUNTER_BYTES),
            ],
        })
    }

    /// Ends a submit's kernels.
    pub(super) fn count(&self, pass: &mut wgpu::ComputePass<'_>, group: &wgpu::BindGroup) {
        #[cfg(test)]
        if self.is_idle.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }

    /// Submits kernels that [`count`](Self::count) ends.
    pub(super) fn submit_kernels(
        &self,
        gpu: &Gpu,
        commands: wgpu::CommandBuffer,
        flops: u64,
    ) -> Submitted {
        #[cfg(test)]
        if self.drops.swap(false, std::sync::atomic::Ordering::Relaxed) {
            drop(commands);
            return self.submit_one(gpu, None, flops, 1);
        }
        self.submit_one(gpu, Some(commands), flops, 1)
    }

    /// Submits copies, or what was written.
    pub(super) fn submit(&self, gpu: &Gpu, commands: Option<wgpu::CommandBuffer>) -> Submitted {
        self.submit_one(gpu, commands, 0, 0)
    }

    fn submit_one(
        &self,
        gpu: &Gpu,
        commands: Option<wgpu::CommandBuffer>,
        flops: u64,
        counts: u32,
    ) -> Submitted {
        // Locked, so that numbers are in the order of submits.
        let mut state = lock(&self.state);
        let index = gpu.queue.submit(commands);
        state.last += 1;
        state.counted = state.counted.wrapping_add(counts);
        let number = state.last;
        state.pending.push_back(Submit {
            number,
            index,
            flops,
        });
        Submitted {
            number,
            counted: state.counted,
        }
    }

    /// Floating-point operations of one submit at most (a single dispatch may
    /// have more).
    pub(super) fn flops_limit(&self) -> u64 {
        let limit = lock(&self.state).pace.limit();
        #[cfg(test)]
        let limit = limit.min(self.most.load(std::sync::atomic::Ordering::Relaxed));
        limit
    }

    /// Pieces of so much work that go into one submit.
    pub(super) fn at_once(&self, flops: u64) -> usize {
        lock(&self.state).pace.at_once(flops)
    }

    /// Whether a submit of so much work should be timed with nothing beside it.
    pub(super) fn wants_time(&self, flops: u64) -> bool {
        lock(&self.state).pace.wants(flops)
    }

    /// Notes how long a submit took that was timed.
    pub(super) fn note_time(&self, flops: u64, time: Duration) {
        lock(&self.state).pace.note(flops, time);
    }

    /// Waits until about a second's work is on its way and no more, so that a
    /// device that slows down is noticed soon.
    pub(super) fn make_room(&self, gpu: &Gpu) -> Result<(), ExecError> {
        loop {
            let oldest = {
                let state = lock(&self.state);
                let flops: u64 = state.pending.iter().map(|submit| submit.flops).sum();
                match flops > 4 * state.pace.limit() {
                    true => state.pending.front().map(|submit| submit.number),
                    false => None,
                }
            };
            match oldest {
                Some(number) => self.wait(gpu, number)?,
                None => return Ok(()),
            }
        }
    }

    /// Waits for everything.
    pub(super) fn wait_for_all(&self, gpu: &Gpu) -> Result<(), ExecError> {
        let last = lock(&self.state).last;
        self.wait(gpu, last)
    }

    /// Waits for a submit and those before it, one after the other: each has a
    /// limit, however many there are.
    pub(super) fn wait(&self, gpu: &Gpu, number: u64) -> Result<(), ExecError> {
        gpu.failure.check()?;
        loop {
            let next = lock(&self.state).pending.front().cloned();
            let Some(submit) = next.filter(|submit| submit.number <= number) else {
                return gpu.failure.check();
            };
            let start = Instant::now();
            poll(gpu, submit.index, self.limit)?;
            let mut state = lock(&self.state);
            // Another thread may have waited for it, too.
            state.pending.retain(|other| other.number > submit.number);
            // Shorter than the submit took if the host came late, never longer.
            state.pace.observe(submit.flops, start.elapsed());
        }
    }
}
