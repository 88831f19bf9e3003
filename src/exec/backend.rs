//! From graphs to an executor, for every device alike.

use super::cpu::{self, CpuBackend};
use super::gpu::tuning::{TunedChooser, Tuning};
use super::gpu::{self, AdapterSummary, Lowered};
#[cfg(feature = "gpu")]
use super::gpu::{Gpu, GpuBackend};
use super::{ExecError, Executor};
use crate::graph::{Graph, Parameters, fuse};
use crate::plan::{Chooser, MemoryReport, PlanError, Precision, Program, choose, plan};
use std::sync::Arc;
use thiserror::Error;

/// What programs are prepared for: plain data, so that it can be asked what a
/// device would do that is not there.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Cpu {
        threads: usize,
        /// How feature maps and weights are stored: f32 or bf16.
        precision: Precision,
    },
    Gpu {
        adapter: Box<AdapterSummary>,
        /// How feature maps and weights are stored.
        precision: Precision,
        /// Floating-point operations that one dispatch may have; convolutions
        /// with more are split by rows.
        max_dispatch_flops: u64,
        /// Kernels that were measured to be the fastest.
        tuning: Arc<Tuning>,
    },
}

/// How graphs become a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Whether pointwise operations are folded into what they read.
    pub fuse: bool,
    /// Whether parameters keep memory of their own and can be written, so that
    /// the phase [`PACK`](crate::plan::PACK) can run again with new ones.
    pub trainable: bool,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            fuse: true,
            trainable: false,
        }
    }
}

/// Why graphs do not become a program for a device.
#[derive(Debug, Error)]
pub enum PrepareError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// A program with everything known about it before a device is touched.
#[derive(Clone, Debug)]
pub struct Prepared {
    program: Program,
    lowered: Option<Lowered>,
}

impl Prepared {
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The dispatches of a GPU.
    pub fn lowered(&self) -> Option<&Lowered> {
        self.lowered.as_ref()
    }

    /// The memory that it will take, to the byte.
    pub fn memory(&self) -> MemoryReport {
        let lowered = self.lowered.as_ref();
        lowered.map_or(self.program.memory, |lowered| lowered.memory)
    }
}

impl Target {
    /// A GPU, with dispatches of ordinary size and kernels by the static rule.
    pub fn gpu(adapter: &AdapterSummary, precision: Precision) -> Self {
        Self::Gpu {
            adapter: Box::new(adapter.clone()),
            precision,
            max_dispatch_flops: gpu::MAX_DISPATCH_FLOPS,
            tuning: Arc::default(),
        }
    }

    /// The same with the kernels that were measured to be the fastest, where
    /// any were.
    pub fn tuned(mut self, measured: Arc<Tuning>) -> Self {
        if let Self::Gpu { tuning, .. } = &mut self {
            *tuning = measured;
        }
        self
    }

    /// The CPU, with as many threads as rayon's current pool.
    pub fn cpu(precision: Precision) -> Self {
        Self::Cpu {
            threads: rayon::current_num_threads(),
            precision,
        }
    }

    /// How feature maps and weights are stored.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Cpu { precision, .. } | Self::Gpu { precision, .. } => *precision,
        }
    }

    pub fn chooser(&self) -> Box<dyn Chooser> {
        match self {
            Self::Cpu { threads, precision } => {
                Box::new(cpu::CpuChooser::new((*threads).max(1), *precision))
            }
            Self::Gpu {
                precision,
                adapter,
                tuning,
                ..
            } => Box::new(TunedChooser {
                rule: gpu::GpuChooser::of(adapter, *precision),
                adapter: (**adapter).clone(),
                tuning: tuning.clone(),
            }),
        }
    }

    /// Fuses graphs, chooses kernels, plans memory and lowers: everything that
    /// can be done without the device.
    ///
    /// # Errors
    /// When the graphs do not go together, or no kernel computes them.
    pub fn prepare(
        &self,
        graphs: &[Graph],
        options: &PrepareOptions,
    ) -> Result<Prepared, PrepareError> {
        let graphs = match options.fuse {
            true => graphs.iter().map(fuse).collect(),
            false => graphs.to_vec(),
        };
        self.prepare_with(&graphs, &*self.chooser(), options.trainable)
    }

    /// As [`prepare`](Self::prepare), with another's choice of kernels and
    /// without fusion.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_with(
        &self,
        graphs: &[Graph],
        chooser: &dyn Chooser,
        trainable: bool,
    ) -> Result<Prepared, PrepareError> {
        let chosen = choose(graphs, chooser, trainable)?;
        let program = plan(&chosen, chooser.threads(), chooser.precision())?;
        Ok(self.lower(program)?)
    }

    /// Checks a program, and lowers it where the device needs that.
    ///
    /// # Errors
    /// When no planner makes such a program for this target.
    pub fn lower(&self, program: Program) -> Result<Prepared, ExecError> {
        program.check()?;
        let lowered = match self {
            Self::Cpu { .. } => None,
            Self::Gpu {
                max_dispatch_flops, ..
            } => Some(gpu::lower(&program, *max_dispatch_flops)?),
        };
        Ok(Prepared { program, lowered })
    }
}

/// A model on an open device. Whatever it loads shares compiled pipelines and
/// packed weights.
pub enum Backend {
    Cpu(CpuBackend),
    #[cfg(feature = "gpu")]
    Gpu(GpuBackend),
}

impl Backend {
    /// A model on the CPU, on the threads of rayon's current pool.
    pub fn cpu(precision: Precision, parameters: Arc<dyn Parameters>) -> Self {
        Self::Cpu(CpuBackend::new(precision, parameters))
    }

    #[cfg(feature = "gpu")]
    pub fn gpu(gpu: Arc<Gpu>, precision: Precision, parameters: Arc<dyn Parameters>) -> Self {
        Self::Gpu(GpuBackend::new(gpu, precision, parameters))
    }

    /// What to prepare programs for.
    pub fn target(&self) -> Target {
        match self {
            Self::Cpu(cpu) => Target::cpu(cpu.precision()),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Target::gpu(gpu.gpu().summary(), gpu.precision()),
        }
    }

    /// Loads what was prepared for this device: allocates its memory, and packs
    /// and compiles what no earlier program needed.
    ///
    /// # Errors
    /// When the program exceeds a limit or the memory of the device, a
    /// parameter is missing, or the driver fails.
    pub fn load_prepared(&self, prepared: Prepared) -> Result<Box<dyn Executor>, ExecError> {
        Ok(match self {
            Self::Cpu(cpu) => Box::new(cpu.load(prepared.program)?),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let lowered = prepared.lowered.ok_or_else(|| ExecError::Device {
                    device: gpu.gpu().summary().name.clone(),
                    reason: "the program was prepared for a CPU".to_owned(),
                })?;
                // SAFETY: only `Target` makes what is prepared, by lowering.
                Box::new(unsafe { gpu.load(lowered) }?)
            }
        })
    }

    /// Prepares graphs for this device, and loads them.
    ///
    /// # Errors
    /// As [`Target::prepare`] and [`load_prepared`](Self::load_prepared).
    pub fn load(
        &self,
        graphs: &[Graph],
        options: &PrepareOptions,
    ) -> Result<Box<dyn Executor>, PrepareError> {
        let prepared = self.target().prepare(graphs, options)?;
        Ok(self.load_prepared(prepared)?)
    }
}
