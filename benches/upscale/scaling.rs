//! Time of a step against pixels, batch and threads.

use super::common::Device;
use super::{SEED, inputs};
use srdiff::diffusion::{Sampler, Schedule};
use srdiff::exec::{ExecError, Executor, PrepareOptions, StepRecord};
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::upscale::step_record;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

/// Sides of results.
const SIDES: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const BATCHES: [usize; 4] = [1, 2, 4, 8];
/// Side of a result in the tables of batches and threads.
const SIDE: usize = 128;
/// Seconds of steps that are timed at least.
const SECONDS: f64 = 0.5;

/// Prints the tables of a device.
pub fn print(model: &Arc<Model>, device: &Device, quick: bool) -> Result<(), Box<dyn Error>> {
    let sides = &SIDES[..if quick { 4 } else { SIDES.len() }];
    println!(
        "\n{:>7} {:>6} {:>8} {:>10} {:>12} {:>9}",
        "side", "batch", "threads", "step ms", "ns a pixel", "MiB"
    );
    let all = rayon::current_num_threads();
    for &side in sides {
        row(model, device, side, 1, all)?;
    }
    for batch in BATCHES {
        row(model, device, SIDE, batch, all)?;
    }
    if let Device::Cpu(_) = device {
        let mut threads = 1;
        while threads <= all {
            row(model, device, 4 * SIDE, 1, threads)?;
            threads *= 2;
        }
    }
    Ok(())
}

fn row(
    model: &Arc<Model>,
    device: &Device,
    side: usize,
    batch: usize,
    threads: usize,
) -> Result<(), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let measured = pool.install(|| measure(model, device, side, batch).map_err(|e| e.to_string()));
    let pixels = (side * side * batch) as f64;
    match measured {
        Ok((seconds, mib)) => println!(
            "{side:>7} {batch:>6} {threads:>8} {:>10.2} {:>12.0} {mib:>9.1}",
            seconds * 1e3,
            seconds * 1e9 / pixels
        ),
        Err(error) => println!("{side:>7} {batch:>6} {threads:>8} {error}"),
    }
    Ok(())
}

/// Seconds of a step, and MiB that the program takes.
fn measure(
    model: &Arc<Model>,
    device: &Device,
    side: usize,
    batch: usize,
) -> Result<(f64, f64), Box<dyn Error>> {
    let settings = model.settings();
    let backend = device.backend(model.clone());
    let lr = side / settings.scale;
    let options = PhaseOptions {
        batch,
        ..PhaseOptions::new([lr, lr])
    };
    let graphs = phases::build(settings, &options)?;
    let prepared = device
        .target()
        .prepare(&graphs, &PrepareOptions::default())?;
    let mut executor = backend.load_prepared(prepared)?;
    let executor = executor.as_mut();
    inputs(executor, settings, batch * lr * lr)?;
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let coefficients = Sampler::DpmSolverPlusPlus2M.steps(&schedule, 10)?;
    let keyed = StepRecord {
        seed_low: SEED,
        ..StepRecord::default()
    };
    let records: Vec<StepRecord> = coefficients
        .iter()
        .map(|step| step_record(step, keyed))
        .collect();
    executor.set_records(&records)?;
    for phase in [names::MODEL, names::IMAGE, names::CONDITION, names::START] {
        executor.run(phase, 0)?;
    }
    step(executor, 0)?;
    let mut times = Vec::new();
    while times.len() < 3 || times.iter().sum::<f64>() < SECONDS {
        times.push(step(executor, times.len() % records.len())?);
    }
    times.sort_by(f64::total_cmp);
    let mib = executor.allocated_bytes() as f64 / f64::from(1 << 20);
    Ok((times[times.len() / 2], mib))
}

fn step(executor: &mut dyn Executor, record: usize) -> Result<f64, ExecError> {
    executor.wait(0)?;
    let start = Instant::now();
    executor.run(names::PREDICT, record)?;
    executor.run(names::UPDATE, record)?;
    executor.wait(0)?;
    Ok(start.elapsed().as_secs_f64())
}
