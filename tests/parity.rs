//! Every golden tensor of every fixture, on every executor, against PyTorch.
//!
//! `SRDIFF_FIXTURES` names another folder of fixtures of the same form.
//! A comparison prints its largest error; a missing GPU is said. On GPUs the
//! shaders are those that users run, without checks of indices.

#[path = "parity/chain.rs"]
mod chain;
#[path = "parity/fixture.rs"]
mod fixture;
#[path = "parity/stages.rs"]
mod stages;
#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use fixture::Fixture;
use libtest_mimic::{Arguments, Failed, Trial};
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, Executor, PrepareOptions};
use srdiff::graph::Graph;
use srdiff::model::names;
use srdiff::ops::Op;
use srdiff::plan::Precision;
use std::sync::Arc;

/// What runs a program.
#[derive(Clone)]
enum Device {
    Cpu,
    Gpu { index: usize, name: String },
}

impl Device {
    fn name(&self) -> String {
        match self {
            Device::Cpu => "CPU f32".to_owned(),
            Device::Gpu { name, .. } => format!("{name} f32"),
        }
    }

    /// Loads `graphs` on this device, with pointwise operations folded into
    /// others or as nodes of their own.
    fn load(
        &self,
        graphs: &[Graph],
        fixture: &Fixture,
        fuse: bool,
    ) -> Result<Box<dyn Executor>, Failed> {
        let weights = fixture.weights.clone();
        let backend = match *self {
            Device::Cpu => Backend::cpu(Precision::F32, weights),
            Device::Gpu { index, .. } => {
                let gpu = Gpu::open(index, GpuOptions { checked: false })?;
                Backend::gpu(Arc::new(gpu), Precision::F32, weights)
            }
        };
        let options = PrepareOptions {
            fuse,
            trainable: false,
        };
        let prepared = backend.target().prepare(graphs, &options)?;
        let predict = prepared.program().phase(names::PREDICT);
        let mut nodes = predict.ok_or("no phase predicts")?.nodes.iter();
        if nodes.any(|node| matches!(node.op, Op::Pointwise(_))) == fuse {
            return Err(format!("fuse: {fuse} made no difference").into());
        }
        Ok(backend.load_prepared(prepared)?)
    }
}

/// Compares and prints; fails when the largest error exceeds `bound`.
fn compare(what: &str, found: &[f32], expected: &[f32], bound: f64) -> Result<(), Failed> {
    let error = largest_difference(found, expected)?;
    println!("    {what:24} largest error {error:.2e} (bound {bound:.2e})");
    // Written so that NaN fails.
    if error <= bound {
        Ok(())
    } else {
        Err(format!("{what}: largest error {error:e} exceeds {bound:e}").into())
    }
}

fn largest_difference(found: &[f32], expected: &[f32]) -> Result<f64, Failed> {
    if found.len() != expected.len() || found.is_empty() {
        return Err(format!("{} elements, not {}", found.len(), expected.len()).into());
    }
    let differences = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    // f64::max would drop a NaN; here the first one stays.
    Ok(differences.fold(
        0.0,
        |most, d| if most.is_nan() || d <= most { most } else { d },
    ))
}

/// The error allowed in a tensor of one stage: 1e-4 of its largest magnitude.
fn stage_bound(expected: &[f32]) -> f64 {
    1e-4 * expected
        .iter()
        .fold(0.0f64, |most, v| most.max(f64::from(v.abs())))
}

fn a_wrong_element_is_noticed() -> Result<(), Failed> {
    let expected = vec![0.25f32; 1000];
    for wrong in [0.25 + 3e-5, f32::NAN] {
        let mut found = expected.clone();
        found[777] = wrong;
        if compare("perturbed", &found, &expected, stage_bound(&expected)).is_ok() {
            return Err(format!("{wrong} for 0.25 was not noticed").into());
        }
    }
    compare("unperturbed", &expected, &expected, 0.0)
}

/// Stages, fused and not, then the chain, and nothing of the fixture left out.
fn run(device: &Device, fixture: &Fixture) -> Result<(), Failed> {
    println!("  stages, fused");
    stages::run(device, fixture, true)?;
    println!("  stages, not fused");
    stages::run(device, fixture, false)?;
    println!("  chain");
    chain::run(device, fixture)?;
    fixture.check_all_used()
}

/// A run that leaves something out is noticed, and so is a wrong tensor.
fn a_tensor_left_out_is_noticed() -> Result<(), Failed> {
    let path = fixture::paths().swap_remove(0);
    let fixture = Fixture::open(&path)?;
    let stages = |fixture: &Fixture| stages::run(&Device::Cpu, fixture, true);
    let chain = |fixture: &Fixture| chain::run(&Device::Cpu, fixture);
    type Part<'a> = &'a dyn Fn(&Fixture) -> Result<(), Failed>;
    let parts: [Part; 2] = [&stages, &chain];
    for part in parts {
        let fixture = Fixture::open(&path)?;
        part(&fixture)?;
        if fixture.check_all_used().is_ok() {
            return Err("stages or chain alone were taken for everything".into());
        }
    }
    for name in fixture.names("")? {
        if !name.starts_with("weights.") && name != "unet.eps.37" {
            fixture.input(&name)?;
        }
    }
    let wrong = vec![1e3; fixture.len("unet.eps.37")];
    if fixture.check("unet.eps.37", &wrong, stage_bound).is_ok() {
        return Err("a wrong tensor was not noticed".into());
    }
    let message = match fixture.check_all_used() {
        Ok(()) => return Err("unet.eps.37 was not missed".into()),
        Err(problem) => problem.message().unwrap_or_default().to_owned(),
    };
    if message != "neither fed nor compared: unet.eps.37" {
        return Err(message.into());
    }
    fixture.input("unet.eps.37")?;
    fixture.check_all_used()
}

fn main() {
    let mut devices = vec![Device::Cpu];
    devices.extend(support::adapters().into_iter().map(|adapter| Device::Gpu {
        index: adapter.index,
        name: adapter.name,
    }));
    let mut trials = vec![
        Trial::test("a_wrong_element_is_noticed", a_wrong_element_is_noticed),
        Trial::test("a_tensor_left_out_is_noticed", a_tensor_left_out_is_noticed),
    ];
    for path in fixture::paths() {
        for device in &devices {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let (device, path) = (device.clone(), path.clone());
            trials.push(Trial::test(
                format!("{name} on {}", device.name()),
                move || {
                    println!("fixture {} on {}", path.display(), device.name());
                    run(&device, &Fixture::open(&path)?)
                },
            ));
        }
    }
    let mut arguments = Arguments::from_args();
    // One after the other: each uses every core, and their prints stay apart.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit();
}
