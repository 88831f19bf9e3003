//! The native CPU executor.

use super::{ExecError, Executor, Parameters, StepRecord};
use crate::graph::{Layout, PlanOptions, Precision, Program};

/// The plan options that this executor takes.
pub fn plan_options() -> PlanOptions {
    PlanOptions {
        layout: Layout::ChannelsLast,
        precision: Precision::F32,
    }
}

/// A program loaded on the CPU.
pub struct CpuExecutor {
    program: Program,
}

impl CpuExecutor {
    /// Loads a program: packs its weights and allocates its memory.
    ///
    /// # Errors
    /// When a weight is missing.
    pub fn new(program: Program, parameters: &dyn Parameters) -> Result<Self, ExecError> {
        let _ = parameters;
        Ok(Self { program })
    }
}

#[allow(unused_variables)] // until it is written
impl Executor for CpuExecutor {
    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), ExecError> {
        unimplemented!()
    }
    fn write_pixels(&mut self, name: &str, pixels: &[u32]) -> Result<(), ExecError> {
        unimplemented!()
    }
    fn set_steps(&mut self, steps: &[StepRecord]) -> Result<(), ExecError> {
        unimplemented!()
    }
    fn run(&mut self, phase: usize, step: usize) -> Result<(), ExecError> {
        unimplemented!()
    }
    fn wait(&mut self, pending: usize) -> Result<(), ExecError> {
        unimplemented!()
    }
    fn read(&mut self, name: &str) -> Result<Vec<f32>, ExecError> {
        unimplemented!()
    }
    fn read_pixels(&mut self, name: &str) -> Result<Vec<u32>, ExecError> {
        unimplemented!()
    }
    fn program(&self) -> &Program {
        &self.program
    }
}
