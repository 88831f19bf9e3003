//! Device memory: slots, weights, dimensions, step records.

use super::adapter::Gpu;
use super::kernels::{Binding, Dispatch, Packing};
use super::limits;
use crate::exec::{ExecError, Parameters};
use crate::graph::{Plan, Precision, Program};
use half::f16;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Distance of structs in a uniform buffer; WebGPU's default alignment.
pub(super) const UNIFORM_STRIDE: u64 = 256;

/// All buffers of a program.
pub(super) struct Buffers {
    pub slots: Vec<wgpu::Buffer>,
    parameters: HashMap<ParameterKey, wgpu::Buffer>,
    /// The dimensions of every dispatch, one after the other.
    dims: wgpu::Buffer,
    dims_offset: Vec<(u64, u64)>,
    dummy: wgpu::Buffer,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum ParameterKey {
    Weight(String, Packing, Precision),
    Zeros(usize),
}

impl Buffers {
    /// Makes the buffers of a program whose dispatches, phase after phase,
    /// are `dispatches`.
    pub(super) fn new(
        gpu: &Gpu,
        program: &Program,
        dispatches: &[(usize, Dispatch)],
        parameters: &dyn Parameters,
    ) -> Result<Self, ExecError> {
        limits::check_grids(
            &gpu.summary,
            dispatches.iter().map(|(_, dispatch)| dispatch),
        )?;
        check_alignment(gpu)?;
        // A buffer that memory was not found for is invalid, and so is all
        // that is done with it: those errors follow from the first.
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validity = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = Self::allocate(gpu, program, dispatches, parameters);
        let invalid = pollster::block_on(validity.pop());
        if pollster::block_on(memory.pop()).is_some() {
            return Err(ExecError::OutOfMemory {
                device: gpu.summary.name.clone(),
                needed_mib: (program.slot_bytes() + program.weight_bytes()).div_ceil(1 << 20),
                hint: String::new(),
            });
        }
        if let Some(error) = invalid {
            return Err(gpu.failure.error(error));
        }
        result
    }

    fn allocate(
        gpu: &Gpu,
        program: &Program,
        dispatches: &[(usize, Dispatch)],
        parameters: &dyn Parameters,
    ) -> Result<Self, ExecError> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let slots = program
            .slots
            .iter()
            .map(|slot| {
                let label = slot.owner.as_deref().unwrap_or("temporaries");
                buffer(gpu, label, slot.bytes.next_multiple_of(16), usage)
            })
            .collect();

        let mut packed = HashMap::new();
        for (phase, dispatch) in dispatches {
            for (_, binding) in &dispatch.bindings {
                let Some(key) = ParameterKey::of(&program.phases[*phase], binding) else {
                    continue;
                };
                if let Entry::Vacant(entry) = packed.entry(key) {
                    let plan = &program.phases[*phase];
                    entry.insert(parameter_buffer(gpu, plan, binding, parameters)?);
                }
            }
        }

        let mut offset = 0;
        let mut dims_offset = Vec::new();
        for (_, dispatch) in dispatches {
            let size = 4 * dispatch.dims.len() as u64;
            dims_offset.push((offset, size));
            offset += size.next_multiple_of(UNIFORM_STRIDE);
        }
        let dims = buffer(gpu, "dims", offset.max(UNIFORM_STRIDE), uniform_usage());
        for ((_, dispatch), &(offset, _)) in dispatches.iter().zip(&dims_offset) {
            gpu.queue
                .write_buffer(&dims, offset, bytemuck::cast_slice(&dispatch.dims));
        }

        Ok(Self {
            slots,
            parameters: packed,
            dims,
            dims_offset,
            dummy: buffer(gpu, "dummy", 16, usage),
        })
    }

    /// The bind group of the dispatch at `index`.
    pub(super) fn bind(
        &self,
        gpu: &Gpu,
        plan: &Plan,
        index: usize,
        dispatch: &Dispatch,
        layout: &wgpu::BindGroupLayout,
    ) -> wgpu::BindGroup {
        let (offset, size) = self.dims_offset[index];
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.dims,
                offset,
                size: wgpu::BufferSize::new(size),
            }),
        }];
        for (at, binding) in &dispatch.bindings {
            let buffer = match binding {
                Binding::Value(value) => &self.slots[plan.values[*value].place().0],
                Binding::Dummy => &self.dummy,
                Binding::Parameter { .. } | Binding::Zeros { .. } => {
                    let key = ParameterKey::of(plan, binding).expect("a weight has a key");
                    &self.parameters[&key]
                }
            };
            entries.push(wgpu::BindGroupEntry {
                binding: *at,
                resource: buffer.as_entire_binding(),
            });
        }
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.entry),
            layout,
            entries: &entries,
        })
    }
}

impl ParameterKey {
    fn of(plan: &Plan, binding: &Binding) -> Option<Self> {
        match binding {
            Binding::Parameter {
                value,
                packing,
                precision,
            } => Some(Self::Weight(
                plan.values[*value].name.clone(),
                packing.clone(),
                *precision,
            )),
            Binding::Zeros { blocks } => Some(Self::Zeros(*blocks)),
            Binding::Value(_) | Binding::Dummy => None,
        }
    }
}

fn parameter_buffer(
    gpu: &Gpu,
    plan: &Plan,
    binding: &Binding,
    parameters: &dyn Parameters,
) -> Result<wgpu::Buffer, ExecError> {
    let (name, packed, precision) = match binding {
        Binding::Parameter {
            value,
            packing,
            precision,
        } => {
            let value = &plan.values[*value];
            let weight = parameters.parameter(&value.name, value.shape)?;
            (
                value.name.as_str(),
                packing.apply(&weight, value.shape),
                *precision,
            )
        }
        Binding::Zeros { blocks } => ("zeros", vec![0.0; 4 * blocks], Precision::F32),
        Binding::Value(_) | Binding::Dummy => panic!("{binding:?} is no weight"),
    };
    let halves: Vec<u16>;
    let bytes: &[u8] = match precision {
        Precision::F32 => bytemuck::cast_slice(&packed),
        Precision::F16 => {
            halves = packed.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
            bytemuck::cast_slice(&halves)
        }
    };
    limits::check_weight(&gpu.summary, name, bytes.len() as u64)?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffer = buffer(gpu, name, bytes.len() as u64, usage);
    gpu.queue.write_buffer(&buffer, 0, bytes);
    Ok(buffer)
}

pub(super) fn uniform_usage() -> wgpu::BufferUsages {
    wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST
}

pub(super) fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// Refuses an adapter whose uniform structs must lie further apart than ours.
fn check_alignment(gpu: &Gpu) -> Result<(), ExecError> {
    let alignment = gpu.device.limits().min_uniform_buffer_offset_alignment;
    if u64::from(alignment) <= UNIFORM_STRIDE {
        return Ok(());
    }
    Err(ExecError::Limit {
        device: gpu.summary.name.clone(),
        what: "the alignment of uniform structs in bytes".to_owned(),
        needed: u64::from(alignment),
        limit: UNIFORM_STRIDE,
    })
}
