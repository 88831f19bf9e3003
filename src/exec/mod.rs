//! Executors: what runs a program.
//!
//! An executor loads a [`Program`] once, taking every weight through the
//! [`Parameters`] seam and packing it for the kernel that will read it, and
//! then runs phases one at a time. The caller owns the loop over the steps of
//! the reverse process; between two runs nothing travels unless it asks.

pub mod cpu;
pub mod gpu;
mod steps;

pub use steps::{Place, StepRecord};

use crate::graph::{Program, Shape};
use std::borrow::Cow;
use thiserror::Error;

/// Where an executor gets the model's weights.
pub trait Parameters {
    /// The weight `name` in PyTorch's order of elements, row-major.
    ///
    /// # Errors
    /// When there is no such weight, or it has another shape.
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ExecError>;
}

/// Runs programs on one device.
///
/// Values are named as in the program; only persistent ones (inputs, states,
/// outputs, and views of them) can be written and read. Elements travel as
/// `[n, c, h, w]` row-major, whatever the layout on the device.
pub trait Executor {
    /// Writes real numbers into a persistent value.
    ///
    /// # Errors
    /// When the device is lost.
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError>;

    /// Writes pixels (R, G, B, A from the lowest byte) into a persistent value.
    ///
    /// # Errors
    /// When the device is lost.
    fn write_pixels(&mut self, name: &str, pixels: &[u32]) -> Result<(), ExecError>;

    /// Sets the records that [`run`](Self::run) chooses from.
    ///
    /// # Errors
    /// When the device is lost.
    fn set_steps(&mut self, steps: &[StepRecord]) -> Result<(), ExecError>;

    /// Runs a phase with the record `step`; may return before it is done.
    ///
    /// # Errors
    /// When the device is lost or out of memory.
    fn run(&mut self, phase: usize, step: usize) -> Result<(), ExecError>;

    /// Waits until at most `pending` of the runs asked for are unfinished.
    ///
    /// # Errors
    /// When the device is lost.
    fn wait(&mut self, pending: usize) -> Result<(), ExecError>;

    /// Reads real numbers from a persistent value, after all runs are done.
    ///
    /// # Errors
    /// When the device is lost.
    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError>;

    /// Reads pixels from a persistent value, after all runs are done.
    ///
    /// # Errors
    /// When the device is lost.
    fn read_pixels(&mut self, name: &str) -> Result<Vec<u32>, ExecError>;

    /// The program that was loaded.
    fn program(&self) -> &Program;
}

/// What can go wrong on a device.
#[derive(Debug, Error)]
pub enum ExecError {
    /// A weight that is not there or has another shape.
    #[error("weight '{name}': {reason}")]
    Parameter {
        /// Name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The program does not fit into memory.
    #[error("out of memory on {device}: {needed_mib} MiB needed{hint}")]
    OutOfMemory {
        /// Device.
        device: String,
        /// What the program needs.
        needed_mib: u64,
        /// ", N MiB available" or nothing.
        hint: String,
    },
    /// The program exceeds a limit of the device.
    #[error("{device} cannot run this: {what} is {needed}, its limit is {limit}")]
    Limit {
        /// Device.
        device: String,
        /// Which limit.
        what: String,
        /// What the program needs.
        needed: u64,
        /// What the device offers.
        limit: u64,
    },
    /// The device failed.
    #[error("{device} failed: {reason}")]
    Device {
        /// Device.
        device: String,
        /// What the driver said.
        reason: String,
    },
}
