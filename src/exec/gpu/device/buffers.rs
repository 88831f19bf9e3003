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

/// Makes a buffer. [`within_memory`] tells whether there was memory for it.
pub(super) fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let make = |usage| {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    #[cfg(test)]
    if gpu.refusal.refuses(size) {
        // An invalid buffer, as where there is no memory for one.
        let invalid = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let buffer = make(wgpu::BufferUsages::empty());
        assert!(pollster::block_on(invalid.pop()).is_some());
        return buffer;
    }
    make(usage)
}

/// Makes buffers for which the device must have memory; `needed` bytes, in all.
pub(super) fn within_memory<T>(
    gpu: &Gpu,
    needed: u64,
    make: impl FnOnce() -> T,
) -> Result<T, ExecError> {
    let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let made = make();
    let is_refused = pollster::block_on(memory.pop()).is_some();
    #[cfg(test)]
    let is_refused = is_refused || gpu.refusal.has_refused();
    match is_refused {
        true => Err(ExecError::OutOfMemory {
            device: gpu.summary.name.clone(),
            needed_mib: needed.div_ceil(1 << 20),
            hint: String::new(),
        }),
        false => Ok(made),
    }
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
    let total = lowered.memory.total_bytes();
    let mut fresh = Vec::new();
    let mut buffers = Vec::new();
    // One by one: after the first that is refused, others would only be in the
    // way of whoever else uses the device.
    for needed in &lowered.buffers {
        let known = known(&needed.role);
        fresh.push(known.is_none());
        let (label, usage) = match &needed.role {
            BufferUse::Slot(owner) => (owner.name(), STORAGE),
            BufferUse::Uniforms => ("uniforms", UNIFORM),
            BufferUse::Records => ("step records", UNIFORM),
            BufferUse::Readback => ("readback", READBACK),
        };
        buffers.push(match known {
            Some(known) => known,
            None => within_memory(gpu, total, || buffer(gpu, label, needed.bytes, usage))?,
        });
    }
    // What uploads will pass through must be there, too.
    let largest = lowered.buffers.iter().map(|buffer| buffer.bytes).max();
    within_memory(gpu, total, || uploads::probe(gpu, largest.unwrap_or(0)))?;
    Ok((buffers, fresh))
}

/// Memory that a test lets run out.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Refusal {
    refuse: std::sync::Mutex<Option<Refuse>>,
    has_refused: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
type Refuse = Box<dyn FnMut(u64) -> bool + Send>;

#[cfg(test)]
impl Refusal {
    /// Asks `refuse` from now on, for each buffer, whether there is no memory
    /// for so many bytes.
    pub fn set(&self, refuse: impl FnMut(u64) -> bool + Send + 'static) {
        *crate::exec::lock(&self.refuse) = Some(Box::new(refuse));
    }

    pub fn clear(&self) {
        *crate::exec::lock(&self.refuse) = None;
    }

    fn refuses(&self, bytes: u64) -> bool {
        let mut refuse = crate::exec::lock(&self.refuse);
        let refuses = refuse.as_mut().is_some_and(|refuse| refuse(bytes));
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        self.has_refused.fetch_or(refuses, relaxed);
        refuses
    }

    /// Since it was asked last.
    fn has_refused(&self) -> bool {
        self.has_refused
            .swap(false, std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusal")
    }
}
