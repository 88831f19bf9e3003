//! From the device to the host.

use super::adapter::Gpu;
use super::buffers::buffer;
use crate::exec::ExecError;
use std::sync::mpsc;

/// Waits for a submission, or for all of them.
pub(super) fn wait(gpu: &Gpu, index: Option<wgpu::SubmissionIndex>) -> Result<(), ExecError> {
    let poll = wgpu::PollType::Wait {
        submission_index: index,
        timeout: None,
    };
    gpu.device
        .poll(poll)
        .map_err(|error| gpu.failure.error(error))?;
    gpu.failure.check()
}

/// The first `bytes` of a buffer, once everything submitted is done.
pub(super) fn read(gpu: &Gpu, source: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, ExecError> {
    let size = bytes.next_multiple_of(4);
    let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
    let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let staging = buffer(gpu, "readback", size, usage);
    if pollster::block_on(memory.pop()).is_some() {
        return Err(ExecError::OutOfMemory {
            device: gpu.summary.name.clone(),
            needed_mib: size.div_ceil(1 << 20),
            hint: " to read a result".to_owned(),
        });
    }
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(source, 0, &staging, 0, size);
    gpu.queue.submit([encoder.finish()]);
    let (sender, receiver) = mpsc::channel();
    staging
        .slice(..)
        .map_async(wgpu::MapMode::Read, move |result| {
            // The receiver lives until the result is in.
            let _ = sender.send(result);
        });
    wait(gpu, None)?;
    receiver
        .recv()
        .map_err(|error| gpu.failure.error(error))?
        .map_err(|error| gpu.failure.error(error))?;
    let view = staging
        .slice(..)
        .get_mapped_range()
        .map_err(|error| gpu.failure.error(error))?;
    Ok(view[..bytes as usize].to_vec())
}
