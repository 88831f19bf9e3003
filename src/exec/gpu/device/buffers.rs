//! Device memory.

use super::adapter::Gpu;
use super::uploads;
use crate::exec::ExecError;
use crate::exec::gpu::{BufferUse, Lowered};
use crate::plan::Owner;
use std::collections::HashMap;

pub(super) const UNIFORM: wgpu::BufferUsages =
    wgpu::BufferUsages::UNIFORM.union(wgpu::BufferUsages::COPY_DST);
pub(super) const READBACK: wgpu::BufferUsages =
    wgpu::BufferUsages::COPY_DST.union(wgpu::BufferUsages::MAP_READ);
const STORAGE: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

pub(super) fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    })
}

/// All buffers of a program, and which of them are new: packed weights that
/// are there already are taken from `packed`.
pub(super) fn allocate(
    gpu: &Gpu,
    lowered: &Lowered,
    packed: &HashMap<String, wgpu::Buffer>,
) -> Result<(Vec<wgpu::Buffer>, Vec<bool>), ExecError> {
    let known = |role: &BufferUse| match role {
        BufferUse::Slot(Owner::Packed(name)) if !lowered.trainable => packed.get(name).cloned(),
        _ => None,
    };
    let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let mut fresh = Vec::new();
    let mut buffers = Vec::new();
    for needed in &lowered.buffers {
        let known = known(&needed.role);
        fresh.push(known.is_none());
        buffers.push(known.unwrap_or_else(|| {
            let (label, usage) = match &needed.role {
                BufferUse::Slot(owner) => (owner.name(), STORAGE),
                BufferUse::Uniforms => ("uniforms", UNIFORM),
                BufferUse::Records => ("step records", UNIFORM),
                BufferUse::Readback => ("readback", READBACK),
            };
            buffer(gpu, label, needed.bytes, usage)
        }));
    }
    // What uploads will pass through must be there, too.
    let largest = lowered.buffers.iter().map(|buffer| buffer.bytes).max();
    let probe = uploads::probe(gpu, largest.unwrap_or(0));
    let out_of_memory = pollster::block_on(memory.pop()).is_some();
    drop(probe);
    match out_of_memory {
        true => Err(ExecError::OutOfMemory {
            device: gpu.summary.name.clone(),
            needed_mib: lowered.memory.total_bytes().div_ceil(1 << 20),
            hint: String::new(),
        }),
        false => Ok((buffers, fresh)),
    }
}
