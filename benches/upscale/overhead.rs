//! What running on a GPU takes beside the GPU's own time.

use super::common::Device;
use super::{AHEAD, SEED, graphs, inputs};
use srdiff::diffusion::{Sampler, Schedule};
use srdiff::exec::gpu::{GpuBackend, GpuExecutor};
use srdiff::exec::{ExecError, Executor, PrepareOptions, StepRecord};
use srdiff::model::{Model, names};
use srdiff::upscale::step_record;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STEPS: usize = 20;
const STEP: [&str; 2] = [names::PREDICT, names::UPDATE];

/// What a process took.
struct Taken {
    wall: Duration,
    encoding: Duration,
    submitting: Duration,
    submits: u64,
}

/// Prints a table: a whole process with a submit for each phase, for each step,
/// and as the executor asks for; the fastest of some, as the GPU's time is.
pub fn print(
    model: &Arc<Model>,
    device: &Device,
    size: usize,
    quick: bool,
) -> Result<(), Box<dyn Error>> {
    let Device::Gpu(gpu, precision, _) = device else {
        println!("the CPU has no submits");
        return Ok(());
    };
    let settings = model.settings();
    let backend = GpuBackend::new(gpu.clone(), *precision, model.clone());
    let graphs = graphs(model, size, size)?;
    let prepared = device
        .target()
        .prepare(&graphs, &PrepareOptions::default())?;
    let lowered = prepared.lowered().ok_or("lowered for no GPU")?.clone();
    // SAFETY: lowered by `Target`.
    let mut executor = unsafe { backend.load(lowered) }?;
    inputs(&mut executor, settings, size * size)?;
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let keyed = StepRecord {
        seed_low: SEED,
        ..StepRecord::default()
    };
    let mut records = vec![StepRecord {
        noise_step: settings.timesteps as u32,
        ..keyed
    }];
    let steps = Sampler::Ddpm.steps(&schedule, STEPS)?;
    records.extend(steps.iter().map(|step| step_record(step, keyed)));
    executor.set_records(&records)?;
    executor.run(names::MODEL, 0)?;
    // Also settles how much a submit has.
    process(&mut executor, 0)?;
    let Some(gpu_time) = of_gpu(&mut executor)? else {
        return Err(format!("{} has no clock to read", gpu.summary().name).into());
    };
    println!("\n{STEPS} steps, GPU time {:.2} ms", ms(gpu_time));
    println!(
        "{:>22} {:>9} {:>12} {:>9} {:>10} {:>8}",
        "a submit for", "wall ms", "overhead ms", "encode ms", "submit ms", "submits"
    );
    let most = executor.at_once(&STEP);
    for (name, group) in [("each phase", 0), ("each step", 1), ("steps", most)] {
        let rounds = if quick { 3 } else { 9 };
        let mut all = (0..rounds)
            .map(|_| process(&mut executor, group))
            .collect::<Result<Vec<Taken>, _>>()?;
        all.sort_by_key(|taken| taken.wall);
        let Taken {
            wall,
            encoding,
            submitting,
            submits,
        } = all[0];
        let name = match group {
            2.. => format!("up to {group} {name}"),
            _ => name.to_owned(),
        };
        println!(
            "{name:>22} {:>9.2} {:>12.2} {:>9.2} {:>10.2} {submits:>8}",
            ms(wall),
            ms(wall) - ms(gpu_time),
            ms(encoding),
            ms(submitting)
        );
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One process, in which a submit has so many steps (at most); 0: one phase.
fn process(executor: &mut GpuExecutor, most: usize) -> Result<Taken, ExecError> {
    executor.wait(0)?;
    let (start, before) = (Instant::now(), executor.spent());
    for phase in [names::IMAGE, names::CONDITION, names::START] {
        executor.run(phase, 0)?;
    }
    let (mut done, mut group) = (0, 1);
    while done < STEPS {
        let steps = done + 1..=STEPS.min(done + group);
        let runs: Vec<_> = steps
            .flat_map(|record| STEP.map(|phase| (phase, record)))
            .collect();
        match most {
            0 => {
                for (phase, record) in &runs {
                    executor.run(phase, *record)?;
                }
            }
            _ => executor.run_all(&runs)?,
        }
        done += runs.len() / STEP.len();
        executor.wait(AHEAD * group * STEP.len())?;
        group = most.clamp(1, 2 * group);
    }
    executor.run(names::FINISH, 0)?;
    executor.wait(0)?;
    let (wall, after) = (start.elapsed(), executor.spent());
    Ok(Taken {
        wall,
        encoding: after.encoding - before.encoding,
        submitting: after.submitting - before.submitting,
        submits: after.submits - before.submits,
    })
}

/// The time of all kernels of a process, by the GPU's own clock.
fn of_gpu(executor: &mut GpuExecutor) -> Result<Option<Duration>, ExecError> {
    let mut sum = Duration::ZERO;
    let others = [names::IMAGE, names::CONDITION, names::START, names::FINISH];
    let phases = others.map(|phase| (phase, 0, 1));
    for (phase, record, runs) in phases.into_iter().chain(STEP.map(|p| (p, 1, STEPS as u32))) {
        // The least of some: a clock sees what else the machine does, too.
        let mut least = Duration::MAX;
        for _ in 0..3 {
            let Some(times) = executor.profile(phase, record)? else {
                return Ok(None);
            };
            least = least.min(times.iter().map(|dispatch| dispatch.time).sum());
        }
        sum += least * runs;
    }
    Ok(Some(sum))
}
