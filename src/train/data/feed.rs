//! Batches ahead of need.

use super::{Batches, DataError};
use crate::train::Batch;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Batches that each worker makes before the first of them is taken.
const AHEAD: usize = 2;

/// Threads that make batches in order, each every so many.
pub struct Feed {
    /// Of each worker, and the worker that is next.
    made: Vec<Receiver<Result<Batch, DataError>>>,
    next: usize,
    workers: Vec<JoinHandle<()>>,
    waited: Duration,
}

impl Feed {
    /// Starts `workers` threads, at least one, with batch number `first`.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(batches: &Arc<Batches>, first: u64, workers: usize) -> Result<Self, DataError> {
        let count = workers.max(1);
        let (mut made, mut threads) = (Vec::new(), Vec::new());
        for worker in 0..count as u64 {
            let (sender, receiver) = sync_channel(AHEAD);
            let batches = batches.clone();
            let work = move || {
                for number in (first + worker..).step_by(count) {
                    let batch = batches.make(number);
                    let failed = batch.is_err();
                    // Nobody takes it any more when the feed is gone.
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("batches {worker}"));
            threads.push(thread.spawn(work).map_err(DataError::Thread)?);
            made.push(receiver);
        }
        Ok(Self {
            made,
            next: 0,
            workers: threads,
            waited: Duration::ZERO,
        })
    }

    /// The next batch.
    ///
    /// # Errors
    /// As [`Batches::make`].
    pub fn take(&mut self) -> Result<Batch, DataError> {
        let start = Instant::now();
        let batch = self.made[self.next].recv();
        self.waited += start.elapsed();
        self.next = (self.next + 1) % self.made.len();
        batch.unwrap_or(Err(DataError::Worker))
    }

    /// How long [`take`](Self::take) has waited in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // What workers try to hand over is refused from now on.
        self.made.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
