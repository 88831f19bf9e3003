//! What runs the cases: the CPU; every adapter in f32, and in f16 where it can.

use crate::case::Case;
use crate::cases::models::MODEL_NODE;
use srdiff::exec::cpu::CpuChooser;
use srdiff::exec::gpu::{
    self, AdapterKind, Gpu, GpuChooser, GpuOptions, MAX_DISPATCH_FLOPS, list_adapters,
};
use srdiff::exec::{Backend, ExecError, Executor, Target};
use srdiff::graph::Parameters;
use srdiff::plan::{Chooser, PlannedValue, Precision, Program, Variant};
use std::sync::Arc;

/// A device, and which of its kernels are tried there.
pub struct Subject {
    pub name: String,
    /// Whether its shaders check every index.
    pub checked: bool,
    device: Device,
    kernels: Box<dyn Chooser + Send + Sync>,
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

    /// Whether it can store arrays in f16.
    pub fn has_f16(&self) -> bool {
        match &self.device {
            Device::Cpu => true,
            Device::Gpu(gpu) => gpu.summary().f16,
        }
    }

    /// Whether its driver may cut numbers off as it stores them in f16. Software
    /// adapters round.
    pub fn may_cut_off(&self) -> bool {
        match &self.device {
            Device::Cpu => false,
            Device::Gpu(gpu) => gpu.summary().kind != AdapterKind::Software,
        }
    }

    /// Whether a case is worth its time here. Software adapters compile a shader
    /// for up to a second: in f32 without checks, which tells what users of a GPU
    /// would get, they try the models' own shapes alone.
    pub fn tries(&self, case: &Case) -> bool {
        let Device::Gpu(gpu) = &self.device else {
            return true;
        };
        let is_usual = self.precision() == Precision::F32 && !self.checked;
        let software = gpu.summary().kind == AdapterKind::Software;
        !(software && is_usual) || case.name.starts_with(MODEL_NODE)
    }

    pub fn kernels(&self) -> &dyn Chooser {
        &*self.kernels
    }

    pub fn precision(&self) -> Precision {
        self.kernels.precision()
    }

    pub fn target(&self) -> Target {
        match &self.device {
            Device::Cpu => Target::cpu(self.precision()),
            Device::Gpu(gpu) => Target::gpu(gpu.summary(), self.precision()),
        }
    }

    /// Loads a program. On a GPU, `shown` can be read besides: parts of slots
    /// that a program does not show to the host.
    pub fn load_showing(
        &self,
        program: &Program,
        shown: Vec<PlannedValue>,
        parameters: Arc<dyn Parameters>,
    ) -> Result<Box<dyn Executor>, ExecError> {
        match self.backend(parameters) {
            Backend::Gpu(gpu) => {
                let mut lowered = gpu::lower(program, MAX_DISPATCH_FLOPS)?;
                lowered.values.extend(shown);
                // SAFETY: lowered here; what is shown besides, only the host reads.
                Ok(Box::new(unsafe { gpu.load(lowered) }?))
            }
            cpu => cpu.load_prepared(self.target().lower(program.clone())?),
        }
    }

    /// A model on this device.
    pub fn backend(&self, parameters: Arc<dyn Parameters>) -> Backend {
        match &self.device {
            Device::Cpu => Backend::cpu(self.precision(), parameters),
            Device::Gpu(gpu) => Backend::gpu(gpu.clone(), self.precision(), parameters),
        }
    }
}

/// All subjects of this machine. One on each adapter checks every index in
/// its shaders, so that a stray one shows as a wrong element and not as luck;
/// the others run what users run.
pub fn subjects() -> Vec<Subject> {
    let cpu = |precision| Subject {
        name: format!("cpu {precision}"),
        checked: false,
        device: Device::Cpu,
        kernels: Box::new(cpu_kernels(precision)),
    };
    let mut subjects = vec![cpu(Precision::F32), cpu(Precision::Bf16)];
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
                checked,
                device: Device::Gpu(Arc::new(gpu)),
                kernels: Box::new(GpuChooser::new(precision)),
            });
        }
    }
    subjects
}

impl Subject {
    /// The same with every index checked, on a device of its own.
    pub fn with_checks(&self) -> Result<Subject, ExecError> {
        let checked = Subject {
            checked: true,
            ..self.opened_again()?
        };
        checked.opened_again()
    }

    /// The same, on a device of its own for which nothing is compiled yet.
    pub fn opened_again(&self) -> Result<Subject, ExecError> {
        let (device, kernels): (Device, Box<dyn Chooser + Send + Sync>) = match &self.device {
            Device::Cpu => (Device::Cpu, Box::new(cpu_kernels(self.precision()))),
            Device::Gpu(gpu) => {
                let options = GpuOptions {
                    checked: self.checked,
                };
                let gpu = Gpu::open(gpu.summary().index, options)?;
                let kernels = GpuChooser::new(self.precision());
                (Device::Gpu(Arc::new(gpu)), Box::new(kernels))
            }
        };
        Ok(Subject {
            name: self.name.clone(),
            checked: self.checked,
            device,
            kernels,
        })
    }
}

fn cpu_kernels(precision: Precision) -> CpuChooser {
    CpuChooser::new(rayon::current_num_threads(), precision)
}

/// The CPU, convolving by each variant wherever it can.
pub fn cpu_variants() -> Vec<Subject> {
    let subject = |(name, variant, precision)| Subject {
        name: format!("CPU in {precision} by {name}"),
        checked: false,
        device: Device::Cpu,
        kernels: Box::new(CpuChooser {
            conv2d: Some(variant),
            ..cpu_kernels(precision)
        }),
    };
    let variants = [("products", Variant::Only), ("winograd", Variant::Winograd)];
    let named = variants.map(|(name, variant)| {
        [Precision::F32, Precision::Bf16].map(|precision| (name, variant, precision))
    });
    named.concat().into_iter().map(subject).collect()
}

/// A GPU that convolves by this variant wherever it can.
pub fn with_variant(subject: &Subject, variant: Variant) -> Option<Subject> {
    let Device::Gpu(gpu) = &subject.device else {
        return None;
    };
    Some(Subject {
        name: format!("{} by {variant}", subject.name),
        checked: subject.checked,
        device: Device::Gpu(gpu.clone()),
        kernels: Box::new(GpuChooser {
            conv2d: Some(variant),
            conv_transpose2d: Some(variant),
            ..GpuChooser::new(subject.precision())
        }),
    })
}
