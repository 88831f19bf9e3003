//! Batches that are made ahead of need.

use super::Crops;
use crate::train::Batch;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Batches that each thread makes ahead.
const AHEAD: usize = 2;

/// Threads that make batches, in order.
pub struct Feed {
    /// Of each thread: with `n` of them, thread `i` makes the batches
    /// `i, i + n, i + 2n, ..`.
    threads: Vec<Receiver<Result<Batch, String>>>,
    next: u64,
    waited: Duration,
}

impl Feed {
    /// Starts with batch `first`. The threads end when the feed is dropped.
    ///
    /// # Errors
    /// When the system has no threads.
    pub fn new(crops: Arc<Crops>, first: u64, threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let start = |index: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let crops = crops.clone();
            // Thread `first % n` comes first.
            let from =
                first + (index as u64 + threads as u64 - first % threads as u64) % threads as u64;
            let step = threads;
            thread::Builder::new()
                .name("data".to_owned())
                .spawn(move || make(&crops, from, step, &sender))?;
            Ok(receiver)
        };
        Ok(Self {
            threads: (0..threads).map(start).collect::<std::io::Result<_>>()?,
            next: first,
            waited: Duration::ZERO,
        })
    }

    /// The next batch.
    ///
    /// # Errors
    /// When no image can be read.
    pub fn next(&mut self) -> Result<Batch, String> {
        let start = Instant::now();
        let thread = (self.next % self.threads.len() as u64) as usize;
        let batch = self.threads[thread].recv();
        self.waited += start.elapsed();
        self.next += 1;
        batch.unwrap_or_else(|_| Err("a thread that makes batches has failed".to_owned()))
    }

    /// The time that [`next`](Self::next) waited for data, since it was asked last.
    pub fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }
}

fn make(crops: &Crops, first: u64, step: usize, sender: &SyncSender<Result<Batch, String>>) {
    for index in (first..).step_by(step) {
        // Nobody listens any more.
        if sender.send(crops.batch(index)).is_err() {
            return;
        }
    }
}
