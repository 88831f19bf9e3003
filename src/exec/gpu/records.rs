//! The table of step records on the device.

use super::adapter::Gpu;
use super::buffers::{UNIFORM_STRIDE, buffer, uniform_usage};
use super::uploads::Uploads;
use crate::exec::{ExecError, StepRecord};
use crate::graph::Program;

/// The records that a run chooses from, by dynamic offset.
pub(super) struct Records {
    layout: wgpu::BindGroupLayout,
    pub group: wgpu::BindGroup,
    buffer: wgpu::Buffer,
    /// Records that there is room for.
    capacity: usize,
    /// Records that were set.
    pub count: usize,
}

impl Records {
    /// A table with room for every step that the program's time tables have a
    /// row for, and for one that starts from noise; holds one record of zeros.
    pub(super) fn new(
        gpu: &Gpu,
        layout: wgpu::BindGroupLayout,
        program: &Program,
    ) -> Result<Self, ExecError> {
        let mut records = Self::with_capacity(gpu, layout, table_rows(program) + 1);
        records.set(gpu, &[StepRecord::default()])?;
        Ok(records)
    }

    fn with_capacity(gpu: &Gpu, layout: wgpu::BindGroupLayout, capacity: usize) -> Self {
        let size = UNIFORM_STRIDE * capacity as u64;
        let buffer = buffer(gpu, "step records", size, uniform_usage());
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step record"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(size_of::<StepRecord>() as u64),
                }),
            }],
        });
        Self {
            layout,
            group,
            buffer,
            capacity,
            count: 0,
        }
    }

    /// Replaces the records; the table grows where it has too little room.
    pub(super) fn set(&mut self, gpu: &Gpu, records: &[StepRecord]) -> Result<(), ExecError> {
        if records.len() > self.capacity {
            *self = Self::with_capacity(gpu, self.layout.clone(), records.len());
        }
        let mut bytes = vec![0; records.len() * UNIFORM_STRIDE as usize];
        for (row, record) in bytes.chunks_exact_mut(UNIFORM_STRIDE as usize).zip(records) {
            row[..size_of::<StepRecord>()].copy_from_slice(bytemuck::bytes_of(record));
        }
        self.count = records.len();
        Uploads::new(gpu).write(&self.buffer, &bytes)
    }
}

/// Rows of the largest table that an epilogue takes a row of: the timesteps
/// of the model's schedule, so as many steps as a sampler can have.
fn table_rows(program: &Program) -> usize {
    let tables = program.phases.iter().flat_map(|plan| {
        plan.steps.iter().filter_map(|step| {
            let (epilogue, first) = step.op.epilogue()?;
            epilogue
                .table_add
                .then(|| plan.values[step.inputs[first]].shape.n)
        })
    });
    tables.max().unwrap_or(0)
}
