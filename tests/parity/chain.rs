//! The whole reverse process with replayed noise, on the real memory plan.

use super::Device;
use super::fixture::Fixture;
use super::stages::run_phase;
use libtest_mimic::Failed;
use srdiff::diffusion::{Sampler, Schedule, StepCoefficients};
use srdiff::exec::{Executor, StepRecord};
use srdiff::model::phases::{self, names};
use srdiff::model::{PhaseOptions, time::sinusoidal_embedding};
use srdiff::ops::NoiseSource;
use srdiff::upscale::step_record;

/// The error allowed on the [-1, 1] scale.
const BOUND: f64 = 1e-3;

pub fn run(device: &Device, fixture: &Fixture) -> Result<(), Failed> {
    let settings = &fixture.settings;
    let (height, width) = fixture.lr_size();
    let options = PhaseOptions {
        noise: NoiseSource::Replayed,
        ..PhaseOptions::new([width, height])
    };
    let graphs = phases::build(settings, &options)?;
    let mut executor = device.load(&graphs, fixture, true)?;
    let executor = executor.as_mut();
    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids)?;
    run_phase(executor, names::MODEL, 0)?;
    executor.write(names::LR, &fixture.lr_planes()?)?;
    run_phase(executor, names::IMAGE, 0)?;
    run_phase(executor, names::CONDITION, 0)?;

    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let ddpm = Sampler::Ddpm.steps(&schedule, settings.timesteps)?;
    sample(executor, fixture, &ddpm, true)?;
    fixture.check("ddpm.sr", &executor.read(names::SR)?, |_| BOUND)?;
    for steps in fixture.names("ddim.sr.")? {
        let visited = evenly_spaced(settings.timesteps, steps.parse()?);
        let ddim = Sampler::Ddim { eta: 0.0 }.steps_at(&schedule, &visited)?;
        sample(executor, fixture, &ddim, false)?;
        let name = format!("ddim.sr.{steps}");
        fixture.check(&name, &executor.read(names::SR)?, |_| BOUND)?;
    }
    Ok(())
}

/// The timesteps that the fixtures' DDIM visits, largest first:
/// `unique(round(linspace(0, T - 1, steps)))`.
fn evenly_spaced(timesteps: usize, steps: usize) -> Vec<usize> {
    let each = (timesteps - 1) as f64 / (steps.max(2) - 1) as f64;
    let mut visited: Vec<usize> = (0..steps)
        .map(|i| (i as f64 * each).round_ties_even() as usize)
        .collect();
    visited.dedup();
    visited.reverse();
    visited
}

/// Runs every step from `noise.init`; `traced` compares the x that the
/// fixture has kept on the way.
fn sample(
    executor: &mut dyn Executor,
    fixture: &Fixture,
    steps: &[StepCoefficients],
    traced: bool,
) -> Result<(), Failed> {
    let records: Vec<StepRecord> = steps
        .iter()
        .map(|step| step_record(step, StepRecord::default()))
        .collect();
    executor.set_records(&records)?;
    executor.write(names::X, &fixture.input("noise.init")?)?;
    let kept = fixture.names("ddpm.x.")?;
    for (index, step) in steps.iter().enumerate() {
        if step.sigma != 0.0 {
            let z = fixture.input(&format!("noise.{}", step.timestep))?;
            executor.write(names::Z, &z)?;
        }
        run_phase(executor, names::PREDICT, index)?;
        run_phase(executor, names::UPDATE, index)?;
        let t = step.timestep.to_string();
        if traced && kept.contains(&t) {
            let name = format!("ddpm.x.{t}");
            fixture.check(&name, &executor.read(names::X)?, |_| BOUND)?;
        }
    }
    run_phase(executor, names::FINISH, 0)
}
