//! Interprets a lowered program.

use super::adapter::Gpu;
use super::buffers::{self, UNIFORM, buffer, within_memory};
use super::pipelines::Compiled;
use super::readback;
use super::runs::{Next, Part, Run, Submit};
use super::uploads::Uploads;
use crate::exec::elements::{gather, scatter};
use crate::exec::gpu::{
    Access, Bound, BufferUse, Command, Lowered, RECORD_BYTES, UNIFORM_STRIDE, limits,
};
use crate::exec::records::check_rows;
use crate::exec::{ExecError, Executor, StepRecord};
use crate::graph::{Parameters, Shape, read_parameter};
use crate::host_memory::zeros;
use crate::plan::{MemoryReport, Owner, PACK, PlannedValue};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A program loaded on a GPU.
///
/// Loading makes every buffer, pipeline and bind group. Running and reading
/// allocate nothing on the device; writing passes through memory of wgpu's own,
/// which loading has made sure of. Only more step records than announced make
/// another buffer of records.
pub struct GpuExecutor {
    pub(super) gpu: Arc<Gpu>,
    pub(super) lowered: Lowered,
    buffers: Vec<wgpu::Buffer>,
    /// What results are read through.
    staging: wgpu::Buffer,
    /// For each phase, a dispatch for each of its commands.
    pub(super) phases: Vec<Vec<Dispatch>>,
    pub(super) records: Records,
    /// For each buffer that kernels write, what counts a submit that ends with
    /// such a kernel.
    counters: HashMap<usize, wgpu::BindGroup>,
    /// The last submit of each run that nobody waited for yet.
    unfinished: VecDeque<u64>,
    spent: Spent,
}

/// What running took of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub submits: u64,
    /// To encode commands.
    pub encoding: Duration,
    /// To hand them to the driver; those in software do the work meanwhile.
    pub submitting: Duration,
}

/// A command ready to be encoded.
pub(super) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    arrays: wgpu::BindGroup,
    reads_record: bool,
    /// The buffer that it writes.
    written: usize,
}

pub(super) struct Records {
    buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
    pub count: usize,
}

impl GpuExecutor {
    /// Loads a program; `packed` has the weights that are packed already, and
    /// gets those that are packed now.
    pub(super) fn new(
        gpu: Arc<Gpu>,
        lowered: Lowered,
        parameters: &dyn Parameters,
        packed: &mut HashMap<String, wgpu::Buffer>,
    ) -> Result<Self, ExecError> {
        gpu.failure.check()?;
        limits::check_limits(&gpu.summary, &lowered)?;
        let mut sources = lowered.modules.iter().map(|module| &module.source);
        if !gpu.summary.f16 && sources.any(|source| source.starts_with("enable f16")) {
            let reason = "its shaders cannot use f16; prepare the program in f32";
            return Err(gpu.failure.error(reason));
        }
        let validity = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let loaded = Self::load(&gpu, lowered, parameters, packed);
        let invalid = pollster::block_on(validity.pop());
        let loaded = loaded?;
        match invalid {
            Some(error) => Err(gpu.failure.error(error)),
            None => Ok(loaded),
        }
    }

    fn load(
        gpu: &Arc<Gpu>,
        lowered: Lowered,
        parameters: &dyn Parameters,
        packed: &mut HashMap<String, wgpu::Buffer>,
    ) -> Result<Self, ExecError> {
        let (buffers, fresh) = buffers::allocate(gpu, &lowered, packed)?;
        let compiled = gpu.pipelines.get(gpu, &lowered)?;
        let dispatch = |command: &Command| Dispatch {
            pipeline: compiled[command.pipeline].pipeline.clone(),
            arrays: bind(gpu, &buffers, command, &compiled[command.pipeline]),
            reads_record: lowered.pipelines[command.pipeline].reads_record,
            written: written(&lowered, command),
        };
        let phases = lowered.phases.iter();
        let phases = phases.map(|phase| phase.commands.iter().map(dispatch).collect());
        let phases: Vec<Vec<Dispatch>> = phases.collect();
        let dispatches = phases.iter().flatten();
        let counters = dispatches
            .map(|dispatch| dispatch.written)
            .collect::<HashSet<usize>>()
            .into_iter()
            .map(|written| (written, gpu.work.counts_after(gpu, &buffers[written])))
            .collect();
        let buffer_of = |role| {
            let index = lowered.buffer(&role);
            buffers[index.expect("lowering makes one of each")].clone()
        };
        let mut uploads = Uploads::new(gpu);
        let uniforms = bytemuck::cast_slice(&lowered.uniforms);
        uploads.write(&buffer_of(BufferUse::Uniforms), uniforms)?;
        uploads.finish()?;
        let mut executor = Self {
            records: Records::new(gpu, buffer_of(BufferUse::Records)),
            staging: buffer_of(BufferUse::Readback),
            gpu: gpu.clone(),
            lowered,
            buffers,
            phases,
            counters,
            unfinished: VecDeque::new(),
            spent: Spent::default(),
        };
        executor.set_records(&[StepRecord::default()])?;
        executor.pack(parameters, &fresh)?;
        if !executor.lowered.trainable {
            for (needed, buffer) in executor.lowered.buffers.iter().zip(&executor.buffers) {
                if let BufferUse::Slot(Owner::Packed(name)) = &needed.role {
                    packed.insert(name.clone(), buffer.clone());
                }
            }
        }
        gpu.failure.check()?;
        Ok(executor)
    }

    /// Packs the weights whose buffers are new.
    fn pack(&mut self, parameters: &dyn Parameters, fresh: &[bool]) -> Result<(), ExecError> {
        let mut uploads = Uploads::new(&self.gpu);
        for weight in &self.lowered.weights {
            if !fresh[weight.packed] {
                continue;
            }
            let tensor = read_parameter(parameters, &weight.tensor, weight.shape)?;
            uploads.write(&self.buffers[weight.plain], bytemuck::cast_slice(&tensor))?;
            let first = weight.first_command;
            let part = Part {
                run: Run {
                    phase: self.phase(PACK)?,
                    record: 0,
                },
                commands: first..first + weight.commands,
            };
            let commands = self.encode_all(&[part]);
            self.gpu.work.submit_kernels(&self.gpu, commands, 0);
        }
        uploads.finish()
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// What all runs so far took of the host.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    pub(super) fn phase(&self, name: &str) -> Result<usize, ExecError> {
        let mut phases = self.lowered.phases.iter();
        let index = phases.position(|phase| phase.name == name);
        index.ok_or_else(|| self.unknown("phase", name))
    }

    fn find(&self, name: &str) -> Result<PlannedValue, ExecError> {
        let value = self.lowered.find(name).cloned();
        value.ok_or_else(|| self.unknown("value", name))
    }

    pub(super) fn unknown(&self, what: &str, name: &str) -> ExecError {
        let reason = format!("the program has no {what} '{name}'");
        self.gpu.failure.error(reason)
    }

    pub(super) fn encode<'a>(
        &'a self,
        pass: &mut wgpu::ComputePass<'a>,
        Run { phase, record }: Run,
        command: usize,
    ) {
        let dispatch = &self.phases[phase][command];
        pass.set_pipeline(&dispatch.pipeline);
        pass.set_bind_group(0, &dispatch.arrays, &[]);
        if dispatch.reads_record {
            let offset = (record as u64 * UNIFORM_STRIDE) as u32;
            pass.set_bind_group(1, &self.records.group, &[offset]);
        }
        let [x, y, z] = self.lowered.phases[phase].commands[command].workgroups;
        pass.dispatch_workgroups(x, y, z);
    }

    fn encode_all(&self, parts: &[Part]) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let mut written = None;
            for Part { run, commands } in parts {
                for command in commands.clone() {
                    self.encode(&mut pass, *run, command);
                    written = Some(self.phases[run.phase][command].written);
                }
            }
            let written = written.expect("a submit has commands");
            self.gpu.work.count(&mut pass, &self.counters[&written]);
        }
        encoder.finish()
    }

    fn read_slot(&self, value: &PlannedValue) -> Result<Vec<u8>, ExecError> {
        let bytes = self.lowered.buffers[value.slot].bytes;
        readback::read(&self.gpu, &self.staging, &self.buffers[value.slot], bytes)
    }
}

/// The buffer that a command writes.
fn written(lowered: &Lowered, command: &Command) -> usize {
    let bindings = &lowered.pipelines[command.pipeline].bindings;
    let is_written = |bound: &&Bound| {
        let mut bindings = bindings.iter();
        let binding = bindings.find(|binding| binding.index == bound.index);
        binding.is_some_and(|binding| binding.access == Access::ReadWrite)
    };
    let bound = command.bindings.iter().find(is_written);
    bound.expect("a kernel has a result").buffer
}

fn bind(
    gpu: &Gpu,
    buffers: &[wgpu::Buffer],
    command: &Command,
    compiled: &Compiled,
) -> wgpu::BindGroup {
    let entry = |bound: &Bound| wgpu::BindGroupEntry {
        binding: bound.index,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &buffers[bound.buffer],
            offset: bound.offset,
            size: wgpu::BufferSize::new(bound.bytes),
        }),
    };
    let entries: Vec<_> = command.bindings.iter().map(entry).collect();
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &compiled.arrays,
        entries: &entries,
    })
}

impl Records {
    fn new(gpu: &Gpu, buffer: wgpu::Buffer) -> Self {
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step record"),
            layout: &gpu.pipelines.record,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(RECORD_BYTES),
                }),
            }],
        });
        Self {
            buffer,
            group,
            count: 0,
        }
    }
}

impl Executor for GpuExecutor {
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError> {
        let value = self.find(name)?;
        let mut bytes = match value.is_part() {
            false => zeros(self.lowered.buffers[value.slot].bytes as usize)?,
            // The other channels stay as they are.
            true => self.read_slot(&value)?,
        };
        scatter(&value, elements, &mut bytes);
        Uploads::new(&self.gpu).write(&self.buffers[value.slot], &bytes)
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError> {
        let value = self.find(name)?;
        let bytes = self.read_slot(&value)?;
        gather(&value, &bytes)
    }

    fn set_records(&mut self, records: &[StepRecord]) -> Result<(), ExecError> {
        let wrong = |reason| self.gpu.failure.error(reason);
        check_rows(records, &self.lowered.time_tables).map_err(wrong)?;
        let size = UNIFORM_STRIDE * records.len() as u64;
        if size > self.records.buffer.size() {
            let make = || buffer(&self.gpu, "step records", size, UNIFORM);
            let larger = within_memory(&self.gpu, size, make)?;
            self.records = Records::new(&self.gpu, larger);
        }
        let mut bytes = vec![0; size as usize];
        for (row, record) in bytes.chunks_exact_mut(UNIFORM_STRIDE as usize).zip(records) {
            row[..size_of::<StepRecord>()].copy_from_slice(bytemuck::bytes_of(record));
        }
        self.records.count = records.len();
        Uploads::new(&self.gpu).write(&self.records.buffer, &bytes)
    }

    fn run(&mut self, phase: &str, record: usize) -> Result<(), ExecError> {
        self.run_all(&[(phase, record)])
    }

    fn run_all(&mut self, runs: &[(&str, usize)]) -> Result<(), ExecError> {
        let runs = self.known(runs)?;
        let mut next = Next::default();
        while let Some(submit) = self.next_submit(&runs, &mut next) {
            let Submit { parts, flops, ends } = submit;
            // While the device works on what came before.
            let start = Instant::now();
            let commands = self.encode_all(&parts);
            self.spent.encoding += start.elapsed();
            let work = &self.gpu.work;
            work.make_room(&self.gpu)?;
            let timed = work.wants_time(flops);
            if timed {
                work.wait_for_all(&self.gpu)?;
            }
            let start = Instant::now();
            let number = work.submit_kernels(&self.gpu, commands, flops).number;
            self.spent.submitting += start.elapsed();
            self.spent.submits += 1;
            if timed {
                work.wait(&self.gpu, number)?;
                work.note_time(flops, start.elapsed());
            }
            self.unfinished.extend(std::iter::repeat_n(number, ends));
        }
        self.gpu.failure.check()
    }

    fn at_once(&self, phases: &[&str]) -> usize {
        let all = self.lowered.phases.iter();
        let flops = all
            .filter(|phase| phases.contains(&phase.name.as_str()))
            .flat_map(|phase| &phase.commands)
            .map(|command| command.flops)
            .sum();
        self.gpu.work.at_once(flops)
    }

    fn wait(&mut self, pending: usize) -> Result<(), ExecError> {
        let done = self.unfinished.len().saturating_sub(pending);
        if let Some(index) = self.unfinished.drain(..done).next_back() {
            self.gpu.work.wait(&self.gpu, index)?;
        }
        self.gpu.failure.check()
    }

    fn shape(&self, name: &str) -> Option<Shape> {
        self.lowered.find(name).map(|value| value.shape)
    }

    fn memory(&self) -> MemoryReport {
        self.lowered.memory
    }

    fn allocated_bytes(&self) -> u64 {
        self.buffers.iter().map(wgpu::Buffer::size).sum()
    }
}
