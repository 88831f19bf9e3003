//! Whole upscales with the starter model, for each sampler and number of
//! steps: seconds of each phase, and the memory of the plan.
//! `cargo bench --bench upscale`; see `--help`.

mod common;

use common::Device;
use srdiff::diffusion::{Sampler, Schedule, StepCoefficients};
use srdiff::exec::{ExecError, Executor, StepRecord};
use srdiff::graph::plan;
use srdiff::model::time::sinusoidal_embedding;
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::ops::NoiseSource;
use srdiff::upscale::{defaults, step_record};
use std::time::Instant;

const SEED: u32 = 1;
/// Runs that may be unfinished while the next one is prepared.
const AHEAD: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, devices) = common::start()?;
    let model = Model::starter();
    let scale = model.settings().scale;
    let size = model.settings().padded_lr_side(options.size);
    println!("starter model, {size} x {size} to {0} x {0}", size * scale);
    for device in &devices {
        println!("\n{}", device.name());
        measure(&model, device, size, options.quick, &options.filter)?;
    }
    Ok(())
}

fn measure(
    model: &Model,
    device: &Device,
    size: usize,
    quick: bool,
    filter: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let settings = model.settings();
    let options = PhaseOptions {
        batch: 1,
        height: size,
        width: size,
        noise: NoiseSource::Generated,
        sr_head: false,
    };
    let program = plan(&phases::build(settings, &options)?, device.plan_options())?;
    let mib = program.slot_bytes() as f64 / f64::from(1 << 20);
    let start = Instant::now();
    let mut loaded = device.open(program, model)?;
    let load = start.elapsed().as_secs_f64();
    println!("arrays {mib:.1} MiB, loaded in {load:.2} s\n");
    let executor = loaded.executor();

    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids)?;
    let pixels: Vec<u32> = (0..(size * size) as u32)
        .map(|p| p.wrapping_mul(0x9E37_79B9) | 0xFF00_0000)
        .collect();
    executor.write_pixels(names::LR, &pixels)?;

    println!(
        "{:>8} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "sampler", "steps", "model s", "image s", "start s", "step s", "finish s", "total s"
    );
    let schedule = Schedule::new(&settings.schedule, settings.timesteps)?;
    let samplers = [
        (defaults::SAMPLER, defaults::STEPS),
        (Sampler::DpmSolverPlusPlus2M, 10),
        (Sampler::Ddim { eta: 0.0 }, 50),
        (Sampler::Ddpm, settings.timesteps),
    ];
    for (sampler, steps) in samplers {
        if quick && steps > 10 || !sampler.to_string().contains(filter) {
            continue;
        }
        let coefficients = sampler.steps(&schedule, steps)?;
        let times = upscale(executor, &coefficients, settings.timesteps)?;
        let each = times.steps / steps as f64;
        let [model, image, start, finish] = times.others;
        let total = model + image + start + times.steps + finish;
        println!(
            "{:>8} {steps:>5} {model:>9.4} {image:>9.4} {start:>9.4} {each:>9.4} {finish:>9.4} {total:>9.3}",
            sampler.to_string(),
        );
    }
    Ok(())
}

/// Seconds: model, image, start and finish, and all steps.
struct Times {
    others: [f64; 4],
    steps: f64,
}

fn upscale(
    executor: &mut dyn Executor,
    coefficients: &[StepCoefficients],
    timesteps: usize,
) -> Result<Times, ExecError> {
    let phase = |executor: &dyn Executor, name: &str| {
        let phase = executor.program().phase(name);
        phase.unwrap_or_else(|| panic!("a phase '{name}'"))
    };
    let mut records = vec![StepRecord {
        noise_step: timesteps as u32,
        seed_low: SEED,
        ..StepRecord::default()
    }];
    let keyed = StepRecord {
        noise_step: 0,
        ..records[0]
    };
    records.extend(coefficients.iter().map(|step| step_record(step, keyed)));
    executor.set_steps(&records)?;
    let zeros = executor.read(names::X0)?.len();
    executor.write(names::X0, &vec![0.0; zeros])?;

    let timed = |executor: &mut dyn Executor, name: &str| {
        executor.wait(0)?;
        let start = Instant::now();
        executor.run(phase(executor, name), 0)?;
        executor.wait(0)?;
        Ok::<f64, ExecError>(start.elapsed().as_secs_f64())
    };
    let before = [names::MODEL, names::IMAGE, names::START];
    let mut others = [0.0; 4];
    for (time, name) in others.iter_mut().zip(before) {
        *time = timed(executor, name)?;
    }
    let step = phase(executor, names::STEP);
    let start = Instant::now();
    for index in 1..records.len() {
        executor.run(step, index)?;
        executor.wait(AHEAD)?;
    }
    executor.wait(0)?;
    let steps = start.elapsed().as_secs_f64();
    others[3] = timed(executor, names::FINISH)?;
    let picture = executor.read_pixels(names::PICTURE)?;
    assert!(
        picture.iter().any(|&pixel| pixel != picture[0]),
        "the picture is of one colour"
    );
    Ok(Times { others, steps })
}
