//! From the device to the host.

use super::adapter::Gpu;
use super::buffers::buffer;
use super::failure::Failure;
use crate::exec::ExecError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

/// Bytes that are read at once at most.
const MAX_STAGING: u64 = 16 << 20;

/// Waits for a submission, or for all of them.
pub(super) fn wait(gpu: &Gpu, index: Option<wgpu::SubmissionIndex>) -> Result<(), ExecError> {
    // A device that is known to be lost is not asked again.
    gpu.failure.check()?;
    let poll = wgpu::PollType::Wait {
        submission_index: index,
        timeout: None,
    };
    let polled = panic_to_error(&gpu.failure, || gpu.device.poll(poll));
    if let Ok(Err(_)) = polled {
        // A submit that a lost device refused cannot be waited for; that the
        // device was lost is told by the next poll that finds it idle.
        panic_to_error(&gpu.failure, || gpu.device.poll(wgpu::PollType::Poll).ok())?;
    }
    // What the driver said meanwhile tells more than a wait that failed.
    gpu.failure.check()?;
    polled?.map_err(|error| gpu.failure.error(error))?;
    Ok(())
}

/// Waiting for a device that is lost meanwhile panics in wgpu, which returns
/// only time-outs as errors. The panic becomes an error here, and the device's
/// failure: nothing that it left half-done is used again, for every later call
/// finds that failure first.
fn panic_to_error<T>(failure: &Failure, wait: impl FnOnce() -> T) -> Result<T, ExecError> {
    catch_unwind(AssertUnwindSafe(wait)).map_err(|panic| {
        let reason = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(reason), _) => reason,
            (_, Some(reason)) => *reason,
            _ => "the device was lost",
        };
        failure.set(reason.to_owned());
        failure.error(reason)
    })
}

/// Memory that the host can see, which results pass through piece by piece.
pub(super) struct Staging {
    buffer: wgpu::Buffer,
}

impl Staging {
    /// Makes it for results of at most `bytes` bytes; larger ones can be read
    /// too, in more pieces.
    pub(super) fn new(gpu: &Gpu, bytes: u64) -> Result<Self, ExecError> {
        let size = bytes.clamp(4, MAX_STAGING).next_multiple_of(4);
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = buffer(gpu, "readback", size, usage);
        if pollster::block_on(memory.pop()).is_some() {
            return Err(ExecError::OutOfMemory {
                device: gpu.summary.name.clone(),
                needed_mib: size.div_ceil(1 << 20),
                hint: " to read results".to_owned(),
            });
        }
        Ok(Self { buffer })
    }

    /// The first `bytes` of a buffer, once everything submitted is done. The
    /// buffer's size is `bytes` rounded up to 4, or more.
    pub(super) fn read(
        &self,
        gpu: &Gpu,
        source: &wgpu::Buffer,
        bytes: u64,
    ) -> Result<Vec<u8>, ExecError> {
        let mut read = Vec::with_capacity(bytes.next_multiple_of(4) as usize);
        let mut offset = 0;
        while offset < bytes {
            let size = (bytes - offset).next_multiple_of(4).min(self.buffer.size());
            self.read_piece(gpu, source, offset..offset + size, &mut read)?;
            offset += size;
        }
        read.truncate(bytes as usize);
        Ok(read)
    }

    fn read_piece(
        &self,
        gpu: &Gpu,
        source: &wgpu::Buffer,
        range: std::ops::Range<u64>,
        read: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        let size = range.end - range.start;
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(source, range.start, &self.buffer, 0, size);
        gpu.queue.submit([encoder.finish()]);
        let slice = self.buffer.slice(..size);
        let (sender, receiver) = mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // The receiver lives until the result is in.
            let _ = sender.send(result);
        });
        wait(gpu, None)?;
        let error = |error: &dyn std::error::Error| gpu.failure.error(error.to_string());
        receiver
            .recv()
            .map_err(|e| error(&e))?
            .map_err(|e| error(&e))?;
        let view = slice.get_mapped_range().map_err(|e| error(&e))?;
        read.extend_from_slice(&view);
        drop(view);
        self.buffer.unmap();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_stays() {
        let failure = Failure::none("Test");
        assert_eq!(panic_to_error(&failure, || 7).ok(), Some(7));
        assert!(failure.check().is_ok());
        let lost = || -> () { panic!("Error in Device::poll: lost") };
        for result in [panic_to_error(&failure, lost), failure.check()] {
            let error = result.unwrap_err().to_string();
            assert_eq!(error, "Test failed: Error in Device::poll: lost");
        }
    }
}
