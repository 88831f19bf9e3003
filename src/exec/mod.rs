//! Executors: what runs a program on a device.
//!
//! A [`Target`] prepares graphs for a device: kernels are chosen, memory is
//! planned, and for a GPU all is lowered to dispatches. That needs no device. A
//! [`Backend`] is a model on an open device: it loads what was prepared, and
//! keeps packed weights and compiled pipelines for whatever it loads next.
//!
//! The caller owns the loop over the steps of the reverse process; between two
//! runs nothing travels between host and device unless it asks.

mod backend;
mod choice;
pub mod cpu;
mod elements;
pub mod gpu;
mod records;

pub use backend::{Backend, PrepareError, PrepareOptions, Prepared, Target};
pub use records::{Place, StepRecord};

use crate::graph::{ParameterError, Shape};
use crate::host_memory::NoMemory;
use crate::plan::{MemoryReport, PlanError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Runs a program on one device.
///
/// Values are named as in the program; only persistent ones (inputs, states,
/// outputs, and views of them) can be written and read. Elements travel as
/// `[n, c, h, w]` row-major in f32, whatever their format on the device.
///
/// # Errors
/// Every method fails when the device is lost, or when the program has no value
/// or phase of that name.
pub trait Executor: Send {
    /// Writes a persistent value.
    ///
    /// # Panics
    /// When the number of elements is not the value's.
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError>;

    /// Reads a persistent value, after all runs are done.
    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError>;

    /// Sets the records that [`run`](Self::run) chooses from.
    ///
    /// # Errors
    /// When one chooses a row that a time table does not have, or there is no
    /// memory for them.
    fn set_records(&mut self, records: &[StepRecord]) -> Result<(), ExecError>;

    /// Runs a phase with a record; may return before it is done.
    ///
    /// # Panics
    /// When there is no such record.
    fn run(&mut self, phase: &str, record: usize) -> Result<(), ExecError>;

    /// Runs phases with a record each, one after the other; on a GPU, with less
    /// overhead than alone.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    fn run_all(&mut self, runs: &[(&str, usize)]) -> Result<(), ExecError> {
        let mut runs = runs.iter();
        runs.try_for_each(|&(phase, record)| self.run(phase, record))
    }

    /// How often these phases should be run by one [`run_all`](Self::run_all):
    /// more than once where they are so short that overhead shows.
    fn at_once(&self, _phases: &[&str]) -> usize {
        1
    }

    /// Waits until at most `pending` of the runs asked for are unfinished.
    fn wait(&mut self, pending: usize) -> Result<(), ExecError>;

    /// Shape of a persistent value.
    fn shape(&self, name: &str) -> Option<Shape>;

    /// The memory that was announced for the program.
    fn memory(&self) -> MemoryReport;

    /// Bytes that the executor really holds.
    fn allocated_bytes(&self) -> u64;
}

/// Why a program does not run on a device.
#[derive(Debug, Error)]
pub enum ExecError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A program that no planner made.
    #[error(transparent)]
    Program(#[from] PlanError),
    #[error("out of memory on {device}: {needed_mib} MiB needed{hint}")]
    OutOfMemory {
        device: String,
        needed_mib: u64,
        /// Where a temporary file was to be and what helps, or nothing.
        hint: String,
    },
    #[error("{device} cannot run this: {what} is {needed}, its limit is {limit}")]
    Limit {
        device: String,
        what: String,
        needed: u64,
        limit: u64,
    },
    #[error("{device} failed: {reason}")]
    Device { device: String, reason: String },
}

impl From<NoMemory> for ExecError {
    fn from(error: NoMemory) -> Self {
        Self::OutOfMemory {
            device: error.place().to_owned(),
            needed_mib: error.mebibytes(),
            hint: error.advice(),
        }
    }
}

/// Locks what a panic elsewhere leaves whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
