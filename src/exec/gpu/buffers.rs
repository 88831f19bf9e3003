//! Device memory: slots, weights, dimensions, step records.

use super::adapter::Gpu;
use super::kernels::{Binding, Dispatch, Packing};
use super::limits;
use super::uploads::{self, Uploads};
use crate::exec::{ExecError, Parameters};
use crate::graph::{Plan, Precision, Program, Shape};
use half::f16;
use std::collections::{HashMap, HashSet};

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
        let weights = weights(gpu, program, dispatches)?;
        let validity = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let (buffers, probe) = Self::allocate(gpu, program, dispatches, &weights);
        let out_of_memory = pollster::block_on(memory.pop()).is_some();
        drop(probe);
        let result = match out_of_memory {
            true => Err(ExecError::OutOfMemory {
                device: gpu.summary.name.clone(),
                needed_mib: (program.slot_bytes() + program.weight_bytes()).div_ceil(1 << 20),
                hint: String::new(),
            }),
            false => buffers.upload(gpu, dispatches, &weights, parameters),
        };
        let invalid = pollster::block_on(validity.pop());
        result?;
        match invalid {
            Some(error) => Err(gpu.failure.error(error)),
            None => Ok(buffers),
        }
    }

    /// Takes all memory, and once that what uploads will pass through.
    fn allocate(
        gpu: &Gpu,
        program: &Program,
        dispatches: &[(usize, Dispatch)],
        weights: &Weights,
    ) -> (Self, wgpu::Buffer) {
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
        let parameters = weights
            .iter()
            .map(|(key, weight)| {
                let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
                (key.clone(), buffer(gpu, key.name(), weight.bytes, usage))
            })
            .collect();
        let mut offset = 0;
        let mut dims_offset = Vec::new();
        for (_, dispatch) in dispatches {
            let size = 4 * dispatch.dims.len() as u64;
            dims_offset.push((offset, size));
            offset += size.next_multiple_of(UNIFORM_STRIDE);
        }
        let dims_size = offset.max(UNIFORM_STRIDE);
        let largest = weights.iter().map(|(_, weight)| weight.bytes).max();
        let probe = uploads::probe(gpu, largest.unwrap_or(0).max(dims_size));
        let buffers = Self {
            slots,
            parameters,
            dims: buffer(gpu, "dims", dims_size, uniform_usage()),
            dims_offset,
            dummy: buffer(gpu, "dummy", 16, usage),
        };
        (buffers, probe)
    }

    fn upload(
        &self,
        gpu: &Gpu,
        dispatches: &[(usize, Dispatch)],
        weights: &Weights,
        parameters: &dyn Parameters,
    ) -> Result<(), ExecError> {
        let mut uploads = Uploads::new(gpu);
        for (key, weight) in weights {
            let bytes = weight.packed(key, parameters)?;
            uploads.write(&self.parameters[key], &bytes)?;
        }
        let mut dims = vec![0; self.dims.size() as usize];
        for ((_, dispatch), &(offset, size)) in dispatches.iter().zip(&self.dims_offset) {
            let words = bytemuck::cast_slice(&dispatch.dims);
            dims[offset as usize..][..size as usize].copy_from_slice(words);
        }
        uploads.write(&self.dims, &dims)?;
        uploads.finish()
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
    fn name(&self) -> &str {
        match self {
            Self::Weight(name, ..) => name,
            Self::Zeros(_) => "zeros",
        }
    }

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

/// What the kernels read besides values, each once, in the order of first use.
type Weights = Vec<(ParameterKey, Weight)>;

/// Its unpacked shape, and its packed size.
struct Weight {
    shape: Shape,
    bytes: u64,
}

fn weights(
    gpu: &Gpu,
    program: &Program,
    dispatches: &[(usize, Dispatch)],
) -> Result<Weights, ExecError> {
    let mut weights = Weights::new();
    let mut seen = HashSet::new();
    for (phase, dispatch) in dispatches {
        let plan = &program.phases[*phase];
        for (_, binding) in &dispatch.bindings {
            let Some(key) = ParameterKey::of(plan, binding) else {
                continue;
            };
            if !seen.insert(key.clone()) {
                continue;
            }
            let (shape, bytes) = match binding {
                Binding::Parameter {
                    value,
                    packing,
                    precision,
                } => {
                    let shape = plan.values[*value].shape;
                    (shape, packing.packed_len(shape) * precision.bytes())
                }
                Binding::Zeros { blocks } => (Shape::new(1, 4 * blocks, 1, 1), 16 * blocks),
                Binding::Value(_) | Binding::Dummy => panic!("{binding:?} is no weight"),
            };
            let bytes = bytes as u64;
            limits::check_weight(&gpu.summary, key.name(), bytes)?;
            weights.push((key, Weight { shape, bytes }));
        }
    }
    Ok(weights)
}

impl Weight {
    /// Its bytes as the kernel reads them.
    fn packed(
        &self,
        key: &ParameterKey,
        parameters: &dyn Parameters,
    ) -> Result<Vec<u8>, ExecError> {
        let ParameterKey::Weight(name, packing, precision) = key else {
            return Ok(vec![0; self.bytes as usize]);
        };
        let packed = packing.apply(&parameters.parameter(name, self.shape)?, self.shape);
        Ok(match precision {
            Precision::F32 => bytemuck::cast_slice(&packed).to_vec(),
            Precision::F16 => packed
                .iter()
                .flat_map(|&v| f16::from_f32(v).to_bits().to_ne_bytes())
                .collect(),
        })
    }
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
