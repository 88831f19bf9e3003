//! Runs a program on a GPU.

use super::adapter::Gpu;
use super::buffers::{Buffers, UNIFORM_STRIDE};
use super::kernels::{Dispatch, Target, lower};
use super::pace::Pace;
use super::pipelines::Pipelines;
use super::readback::Staging;
use super::records::Records;
use super::uploads::Uploads;
use super::{layout, limits, readback};
use crate::exec::{ExecError, Executor, Parameters, StepRecord};
use crate::graph::{Layout, PlannedValue, Precision, Program};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A program loaded on a GPU.
///
/// [`new`](Self::new) makes every buffer, pipeline and bind group, those that
/// results are read through included. Running and reading allocate nothing on
/// the device; writing passes through memory of wgpu's own, of which `new` saw
/// to it that there is some. Only more step records than the program's time
/// tables have rows make another table of records.
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    program: Program,
    pub(super) commands: Vec<Command>,
    /// Commands of each phase.
    pub(super) phases: Vec<Range<usize>>,
    pub(super) buffers: Buffers,
    records: Records,
    staging: Staging,
    pace: Pace,
    /// The last submit of each run that nobody waited for yet.
    unfinished: VecDeque<wgpu::SubmissionIndex>,
}

/// A dispatch with everything that it binds.
pub(super) struct Command {
    pub dispatch: Dispatch,
    /// Index of the plan's step.
    pub step: usize,
    pipeline: wgpu::ComputePipeline,
    arrays: wgpu::BindGroup,
    reads_record: bool,
}

impl GpuExecutor {
    /// Loads a program: compiles its kernels, allocates its memory, packs and
    /// uploads its weights.
    ///
    /// # Errors
    /// When the program exceeds a limit or the memory of the GPU, is in f16 and
    /// the GPU has none, a weight is missing, or the driver fails.
    ///
    /// # Panics
    /// When the program was not planned with
    /// [`plan_options`](super::plan_options).
    pub fn new(
        gpu: Arc<Gpu>,
        program: Program,
        parameters: &dyn Parameters,
    ) -> Result<Self, ExecError> {
        Self::with_dispatches(gpu, program, parameters, Target::MAX_DISPATCH_FLOPS)
    }

    /// As [`new`](Self::new), with convolutions split into dispatches of about
    /// `max_flops` floating-point operations at most.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_dispatches(
        gpu: Arc<Gpu>,
        program: Program,
        parameters: &dyn Parameters,
        max_flops: u64,
    ) -> Result<Self, ExecError> {
        assert_eq!(
            program.options.layout,
            Layout::ChannelBlocks4,
            "the GPU's layout"
        );
        if program.options.precision == Precision::F16 && !gpu.summary.f16 {
            let reason = "its shaders cannot use f16; plan the program in f32";
            return Err(gpu.failure.error(reason));
        }
        limits::check_arrays(&gpu.summary, &program)?;
        let target = Target {
            adapter: &gpu.summary,
            max_dispatch_flops: max_flops,
        };
        let mut lowered: Vec<(usize, Dispatch)> = Vec::new();
        let mut steps = Vec::new();
        let mut phases = Vec::new();
        for (phase, plan) in program.phases.iter().enumerate() {
            let start = lowered.len();
            for (index, step) in plan.steps.iter().enumerate() {
                for dispatch in lower(plan, step, &target)? {
                    lowered.push((phase, dispatch));
                    steps.push(index);
                }
            }
            phases.push(start..lowered.len());
        }

        let largest = program.slots.iter().map(|slot| slot.bytes).max();
        let staging = Staging::new(&gpu, largest.unwrap_or(0))?;
        let buffers = Buffers::new(&gpu, &program, &lowered, parameters)?;
        let dispatches: Vec<&Dispatch> = lowered.iter().map(|(_, dispatch)| dispatch).collect();
        let pipelines = Pipelines::new(&gpu, &dispatches)?;
        let commands = lowered
            .into_iter()
            .zip(steps)
            .enumerate()
            .map(|(index, ((phase, dispatch), step))| {
                let pipeline = &pipelines.pipelines[pipelines.of_dispatch[index]];
                let plan = &program.phases[phase];
                Command {
                    arrays: buffers.bind(&gpu, plan, index, &dispatch, &pipeline.arrays),
                    pipeline: pipeline.pipeline.clone(),
                    reads_record: pipeline.reads_record,
                    dispatch,
                    step,
                }
            })
            .collect();
        let records = Records::new(&gpu, pipelines.record, &program)?;
        gpu.failure.check()?;
        Ok(Self {
            gpu,
            program,
            commands,
            phases,
            buffers,
            records,
            staging,
            pace: Pace::new(),
            unfinished: VecDeque::new(),
        })
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    fn find(&self, name: &str) -> Result<&PlannedValue, ExecError> {
        self.program.find_persistent(name).ok_or_else(|| {
            self.gpu
                .failure
                .error(format!("no value '{name}' to read or write"))
        })
    }

    pub(super) fn encode<'a>(
        &'a self,
        pass: &mut wgpu::ComputePass<'a>,
        command: &'a Command,
        record: usize,
    ) {
        pass.set_pipeline(&command.pipeline);
        pass.set_bind_group(0, &command.arrays, &[]);
        if command.reads_record {
            let offset = (record as u64 * UNIFORM_STRIDE) as u32;
            pass.set_bind_group(1, &self.records.group, &[offset]);
        }
        let [x, y, z] = command.dispatch.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }

    /// Splits the commands of a phase so that no submit does too much; with
    /// the work of each.
    pub(super) fn submits(&self, phase: usize) -> Vec<(Range<usize>, u64)> {
        let mut submits = Vec::new();
        let (mut start, mut flops) = (self.phases[phase].start, 0);
        for index in self.phases[phase].clone() {
            let next = self.commands[index].dispatch.flops;
            if flops > 0 && flops + next > self.pace.limit() {
                submits.push((start..index, flops));
                (start, flops) = (index, 0);
            }
            flops += next;
        }
        submits.push((start..self.phases[phase].end, flops));
        submits
    }

    fn submit(&self, commands: Range<usize>, record: usize) -> wgpu::SubmissionIndex {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for command in &self.commands[commands] {
                self.encode(&mut pass, command, record);
            }
        }
        self.gpu.queue.submit([encoder.finish()])
    }

    fn write_bytes(&mut self, slot: usize, bytes: &[u8]) -> Result<(), ExecError> {
        Uploads::new(&self.gpu).write(&self.buffers.slots[slot], bytes)
    }

    fn read_bytes(&mut self, slot: usize) -> Result<Vec<u8>, ExecError> {
        let bytes = self.program.slots[slot].bytes;
        self.staging
            .read(&self.gpu, &self.buffers.slots[slot], bytes)
    }
}

impl Executor for GpuExecutor {
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError> {
        let value = self.find(name)?.clone();
        let (slot, _, channel_stride) = value.place();
        let mut bytes = if channel_stride == value.stored_channels() {
            vec![0; self.program.slots[slot].bytes as usize]
        } else {
            // A group of channels: the others stay as they are.
            self.read_bytes(slot)?
        };
        layout::scatter(&value, elements, &mut bytes);
        self.write_bytes(slot, &bytes)
    }

    fn write_pixels(&mut self, name: &str, pixels: &[u32]) -> Result<(), ExecError> {
        let value = self.find(name)?;
        assert_eq!(pixels.len(), value.shape.elements(), "writing '{name}'");
        let slot = value.place().0;
        self.write_bytes(slot, bytemuck::cast_slice(pixels))
    }

    fn set_steps(&mut self, steps: &[StepRecord]) -> Result<(), ExecError> {
        self.records.set(&self.gpu, steps)
    }

    fn run(&mut self, phase: usize, step: usize) -> Result<(), ExecError> {
        assert!(
            step < self.records.count,
            "step {step} of {}",
            self.records.count
        );
        let mut last = None;
        for (commands, flops) in self.submits(phase) {
            let timed = self.pace.wants(flops);
            if timed {
                readback::wait(&self.gpu, None)?;
            }
            let start = Instant::now();
            let index = self.submit(commands, step);
            if timed {
                readback::wait(&self.gpu, Some(index.clone()))?;
                self.pace.note(flops, start.elapsed());
            }
            last = Some(index);
        }
        self.unfinished.extend(last);
        self.gpu.failure.check()
    }

    fn wait(&mut self, pending: usize) -> Result<(), ExecError> {
        let done = self.unfinished.len().saturating_sub(pending);
        if let Some(index) = self.unfinished.drain(..done).next_back() {
            readback::wait(&self.gpu, Some(index))?;
        }
        self.gpu.failure.check()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError> {
        let value = self.find(name)?.clone();
        let bytes = self.read_bytes(value.place().0)?;
        Ok(layout::gather(&value, &bytes))
    }

    fn read_pixels(&mut self, name: &str) -> Result<Vec<u32>, ExecError> {
        let value = self.find(name)?;
        let (slot, pixels) = (value.place().0, value.shape.elements());
        let bytes = self.read_bytes(slot)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes[..4 * pixels]))
    }

    fn program(&self) -> &Program {
        &self.program
    }
}
