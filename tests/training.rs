//! Training against PyTorch: losses, gradients and three steps of Adam, on every
//! executor.
//!
//! `SRDIFF_TRAIN_FIXTURES` names another folder of fixtures of the same form.

#[path = "training/channels.rs"]
mod channels;
#[path = "training/fixture.rs"]
mod fixture;
#[path = "training/steps.rs"]
mod steps;
#[path = "support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Trial};
use srdiff::exec::Backend;
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::model::Model;
use srdiff::plan::Precision;
use std::sync::Arc;

/// What trains.
#[derive(Clone)]
enum Device {
    Cpu,
    Gpu { index: usize, name: String },
}

impl Device {
    fn is_cpu(&self) -> bool {
        matches!(self, Device::Cpu)
    }

    fn name(&self) -> String {
        match self {
            Device::Cpu => "CPU".to_owned(),
            Device::Gpu { name, .. } => name.clone(),
        }
    }

    fn backend(&self, model: Arc<Model>) -> Backend {
        match self {
            Device::Cpu => Backend::cpu(Precision::F32, model),
            Device::Gpu { index, .. } => {
                let gpu = Gpu::open(*index, GpuOptions { checked: true }).unwrap();
                Backend::gpu(Arc::new(gpu), Precision::F32, model)
            }
        }
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let mut devices = vec![Device::Cpu];
    devices.extend(support::adapters().into_iter().map(|adapter| Device::Gpu {
        index: adapter.index,
        name: adapter.name,
    }));
    let mut tests = Vec::new();
    for path in fixture::paths() {
        for device in &devices {
            let (path, device) = (path.clone(), device.clone());
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{name} on {}", device.name());
            tests.push(Trial::test(name, move || fixture::check(&path, &device)));
        }
    }
    type Check = fn(&Device) -> Result<(), libtest_mimic::Failed>;
    let checks: [(&str, Check); 3] = [
        ("odd channels", channels::odd_channels),
        ("recomputation", steps::recomputation),
        ("accumulation", steps::accumulation),
    ];
    for (name, check) in checks {
        for device in &devices {
            let (name, device) = (format!("{name} on {}", device.name()), device.clone());
            tests.push(Trial::test(name, move || check(&device)));
        }
    }
    tests.push(Trial::test("threads on CPU", steps::threads));
    tests.push(Trial::test("bf16 on CPU", steps::bf16));
    libtest_mimic::run(&arguments, tests).exit();
}
