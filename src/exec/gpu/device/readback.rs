//! From the device to the host.

use super::adapter::Gpu;
use super::failure::Failure;
use crate::exec::gpu::COUNTER_BYTES;
use crate::exec::{ExecError, with_room};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

const UNDONE: &str = "the driver reported work as done that was not";

/// Waits for a submission, up to a limit.
pub(super) fn poll(
    gpu: &Gpu,
    index: wgpu::SubmissionIndex,
    limit: Duration,
) -> Result<(), ExecError> {
    // A device that is known to be lost is not asked again.
    gpu.failure.check()?;
    let poll = wgpu::PollType::Wait {
        submission_index: Some(index),
        timeout: Some(limit),
    };
    let polled = panic_to_error(&gpu.failure, || gpu.device.poll(poll));
    if let Ok(Err(wgpu::PollError::Timeout)) = polled {
        gpu.failure.set(format!(
            "it did not finish its work within {} seconds",
            limit.as_secs_f64()
        ));
        // Dropping a device waits for its work, and panics in the end.
        std::mem::forget((gpu.device.clone(), gpu.queue.clone()));
    } else if let Ok(Err(_)) = polled {
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

/// The first `bytes` of a buffer, piece by piece through `staging`, once
/// everything submitted is done. The buffer's size is `bytes` rounded up to 4,
/// or more. Fails if the device has done less than it was given.
pub(super) fn read(
    gpu: &Gpu,
    staging: &wgpu::Buffer,
    source: &wgpu::Buffer,
    bytes: u64,
) -> Result<Vec<u8>, ExecError> {
    let error = |error: &dyn std::error::Error| gpu.failure.error(error.to_string());
    let mut read = with_room(bytes.next_multiple_of(4) as usize)?;
    let mut offset = 0;
    let mut is_counted = false;
    while offset < bytes || !is_counted {
        let left = bytes.saturating_sub(offset).next_multiple_of(4);
        let size = left.min(staging.size());
        // The count comes with the last piece, or after it.
        is_counted = size == left && size + COUNTER_BYTES <= staging.size();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        if size > 0 {
            encoder.copy_buffer_to_buffer(source, offset, staging, 0, size);
        }
        if is_counted {
            let counter = &gpu.work.counter;
            encoder.copy_buffer_to_buffer(counter, 0, staging, size, COUNTER_BYTES);
        }
        let submitted = gpu.work.submit(gpu, Some(encoder.finish()));
        let count_bytes = if is_counted { COUNTER_BYTES } else { 0 };
        let slice = staging.slice(..size + count_bytes);
        let (sender, receiver) = mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // The receiver lives until the result is in.
            let _ = sender.send(result);
        });
        gpu.work.wait(gpu, submitted.number)?;
        // Another thread may have waited for this submit before its mapping was
        // asked for: then nobody has told of the mapping yet.
        panic_to_error(&gpu.failure, || gpu.device.poll(wgpu::PollType::Poll).ok())?;
        let mapped = receiver.recv().map_err(|e| error(&e))?;
        mapped.map_err(|e| error(&e))?;
        let view = slice.get_mapped_range().map_err(|e| error(&e))?;
        let (piece, count) = view.split_at(size as usize);
        read.extend_from_slice(piece);
        let is_done = count.is_empty() || *count == submitted.counted.to_ne_bytes();
        drop(view);
        staging.unmap();
        if !is_done {
            gpu.failure.set(UNDONE.to_owned());
        }
        gpu.failure.check()?;
        offset += size;
    }
    read.truncate(bytes as usize);
    Ok(read)
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
