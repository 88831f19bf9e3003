//! What runs the cases: the CPU; every adapter in f32, and in f16 where it can.

use crate::case::Filled;
use srdiff::exec::cpu::{self, CpuExecutor};
use srdiff::exec::gpu::{self, Gpu, GpuExecutor, GpuOptions, list_adapters};
use srdiff::exec::{ExecError, Executor};
use srdiff::graph::{PlanOptions, Precision, Program};
use std::sync::Arc;

/// An executor to be made for each case.
pub struct Subject {
    pub name: String,
    pub options: PlanOptions,
    device: Device,
}

/// Where a subject runs.
pub enum Device {
    Cpu,
    Gpu(Arc<Gpu>),
}

impl Subject {
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn is_gpu(&self) -> bool {
        matches!(self.device, Device::Gpu(_))
    }

    /// Loads a program.
    pub fn open(
        &self,
        program: Program,
        parameters: &Filled,
    ) -> Result<Box<dyn Executor>, ExecError> {
        Ok(match &self.device {
            Device::Cpu => Box::new(CpuExecutor::new(program, parameters)?),
            Device::Gpu(gpu) => Box::new(GpuExecutor::new(gpu.clone(), program, parameters)?),
        })
    }
}

/// All subjects of this machine. One on each adapter checks every index in
/// its shaders, so that a stray one shows as a wrong element and not as luck;
/// the others run what users run.
pub fn subjects() -> Vec<Subject> {
    let mut subjects = vec![Subject {
        name: "cpu".to_owned(),
        options: cpu::plan_options(),
        device: Device::Cpu,
    }];
    for summary in list_adapters() {
        let variants = [
            (Precision::F32, true, "f32 checked"),
            (Precision::F32, false, "f32"),
            (Precision::F16, false, "f16"),
        ];
        for (precision, checked, words) in variants {
            if precision == Precision::F16 && !summary.f16 {
                continue;
            }
            let gpu = Gpu::open(summary.index, GpuOptions { checked })
                .unwrap_or_else(|error| panic!("{}: {error}", summary.name));
            subjects.push(Subject {
                name: format!("gpu{} {words}", summary.index),
                options: gpu::plan_options(precision),
                device: Device::Gpu(Arc::new(gpu)),
            });
        }
    }
    subjects
}
