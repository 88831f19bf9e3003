//! From the host to the device, a little at a time.

use super::adapter::Gpu;
use super::buffers::buffer;
use crate::exec::ExecError;

/// Bytes on their way at most. Each write takes memory of its own on the way,
/// and a device that has none left for it is lost: no error scope sees that.
const BATCH: u64 = 16 << 20;
/// What the driver and wgpu take besides, for commands and small buffers. Not
/// more: many cards show the CPU a window of 256 MiB of their memory, which other
/// programs use, too.
const HEADROOM: u64 = 32 << 20;

/// Writes that are waited for whenever a batch is full.
pub(super) struct Uploads<'a> {
    gpu: &'a Gpu,
    pending: u64,
}

impl<'a> Uploads<'a> {
    pub(super) fn new(gpu: &'a Gpu) -> Self {
        Self { gpu, pending: 0 }
    }

    /// Writes to the start of a buffer.
    pub(super) fn write(&mut self, target: &wgpu::Buffer, bytes: &[u8]) -> Result<(), ExecError> {
        let mut offset = 0;
        for part in bytes.chunks(BATCH as usize) {
            let size = part.len() as u64;
            if self.pending + size > BATCH {
                self.finish()?;
            }
            self.gpu.queue.write_buffer(target, offset, part);
            self.pending += size;
            offset += size;
        }
        self.gpu.failure.check()
    }

    /// Waits until all is there.
    pub(super) fn finish(&mut self) -> Result<(), ExecError> {
        let submitted = self.gpu.work.submit(self.gpu, None);
        self.pending = 0;
        self.gpu.work.wait(self.gpu, submitted.number)
    }
}

/// Takes the memory that uploads of at most `largest` bytes pass through.
/// Dropped again once it is known to be there.
pub(super) fn probe(gpu: &Gpu, largest: u64) -> wgpu::Buffer {
    let size = (largest.min(BATCH) + HEADROOM).min(gpu.summary.max_buffer_bytes);
    let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
    buffer(gpu, "uploads", size.next_multiple_of(4), usage)
}
