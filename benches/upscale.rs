//! Whole upscales with the starter model, for each sampler and number of
//! steps: seconds to load the first and another size, milliseconds of each phase,
//! and the memory. `-- --scaling` times one step against pixels, batch and threads,
//! `-- --overhead` what a GPU's run takes beside its own time, `-- --startup` what a
//! run takes before its first step.
//! `cargo bench --bench upscale`; see `--help`.

mod common;
#[path = "upscale/overhead.rs"]
mod overhead;
#[path = "upscale/scaling.rs"]
mod scaling;
#[path = "upscale/startup.rs"]
mod startup;

use clap::Parser;
use common::{Device, Options};
use srdiff::diffusion::{Sampler, Schedule, StepCoefficients};
use srdiff::exec::{Backend, ExecError, Executor, PrepareOptions, StepRecord};
use srdiff::graph::Graph;
use srdiff::model::time::sinusoidal_embedding;
use srdiff::model::{Model, PhaseOptions, Settings, names, phases};
use srdiff::upscale::{defaults, step_record};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SEED: u32 = 1;
/// An upscale is repeated until this is over: a GPU's clock takes a while to rise.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// Steps that may be unfinished while the next one is prepared.
const AHEAD: usize = 2;
/// Runs of a phase that a step takes.
const RUNS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    if options.startup {
        // Nothing may have asked for the devices before.
        return startup::print(&options);
    }
    let (options, devices) = common::start_with(options)?;
    let model = Arc::new(match &options.model {
        Some(path) => Model::open(path)?,
        None => Model::starter(),
    });
    let scale = model.settings().scale;
    let size = model.settings().padded_lr_side(options.size);
    let hidden = model.settings().hidden;
    println!(
        "{}, {hidden} channels, {size} x {size} to {1} x {1}",
        model.file(),
        size * scale
    );
    for device in &devices {
        println!("\n{}", device.name());
        if options.scaling {
            scaling::print(&model, device, options.quick)?;
        } else if options.overhead {
            overhead::print(&model, device, size, options.quick)?;
        } else {
            measure(&model, device, size, options.quick, &options.filter)?;
        }
    }
    Ok(())
}

fn measure(
    model: &Arc<Model>,
    device: &Device,
    size: usize,
    quick: bool,
    filter: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let settings = model.settings();
    let backend = device.backend(model.clone());
    let mut executor = load(model, device, &backend, size, size)?;
    let before = counts(&backend);
    let multiple = settings.lr_size_multiple();
    drop(load(model, device, &backend, size + multiple, size)?);
    let after = counts(&backend);
    assert_eq!(before, after, "another size was compiled or packed");
    println!();
    let executor = executor.as_mut();

    inputs(executor, settings, size * size)?;

    println!(
        "{:>8} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "sampler", "steps", "model ms", "image ms", "start ms", "step ms", "finish ms", "total ms"
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
        let Times { others, steps: all } =
            Times::median(executor, &coefficients, settings.timesteps)?;
        let each = all / steps as f64;
        let [model, image, condition, start, finish] = others;
        let image = image + condition;
        let total = model + image + start + all + finish;
        println!(
            "{:>8} {steps:>5} {model:>9.3} {image:>9.3} {start:>9.3} {each:>9.3} {finish:>9.3} {total:>9.2}",
            sampler.to_string(),
        );
    }
    Ok(())
}

/// Writes the inputs of a model: those of all timesteps, and LR images of so many
/// pixels together.
fn inputs(
    executor: &mut dyn Executor,
    settings: &Settings,
    pixels: usize,
) -> Result<(), ExecError> {
    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids)?;
    let lr: Vec<f32> = (0..(3 * pixels) as u32)
        .map(|i| (i.wrapping_mul(0x9E37_79B9) >> 24) as f32 / 255.0)
        .collect();
    executor.write(names::LR, &lr)
}

/// The phases of a model for a size of LR image.
fn graphs(
    model: &Model,
    height: usize,
    width: usize,
) -> Result<Vec<Graph>, Box<dyn std::error::Error>> {
    let options = PhaseOptions::new([width, height]);
    Ok(phases::build(model.settings(), &options)?)
}

/// Loads the model for a size of LR image, and says how long that takes.
fn load(
    model: &Model,
    device: &Device,
    backend: &Backend,
    height: usize,
    width: usize,
) -> Result<Box<dyn Executor>, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let graphs = graphs(model, height, width)?;
    let prepared = device
        .target()
        .prepare(&graphs, &PrepareOptions::default())?;
    let executor = backend.load_prepared(prepared)?;
    let seconds = start.elapsed().as_secs_f64();
    let mib = executor.allocated_bytes() as f64 / f64::from(1 << 20);
    let (compiled, packed) = counts(backend);
    println!(
        "{height} x {width}: loaded in {seconds:.3} s, {mib:.1} MiB; \
         {compiled} pipelines and {packed} packed weights by now"
    );
    Ok(executor)
}

/// Compiled pipelines and packed weights.
fn counts(backend: &Backend) -> (usize, usize) {
    match backend {
        Backend::Cpu(cpu) => (0, cpu.packed_weights()),
        Backend::Gpu(gpu) => (gpu.gpu().compiled_pipelines(), gpu.packed_weights()),
    }
}

/// Milliseconds: model, image, condition, start and finish, and all steps.
struct Times {
    others: [f64; 5],
    steps: f64,
}

impl Times {
    /// The medians of so many upscales that the device's clock is up.
    fn median(
        executor: &mut dyn Executor,
        coefficients: &[StepCoefficients],
        timesteps: usize,
    ) -> Result<Self, ExecError> {
        let (started, mut all) = (Instant::now(), Vec::new());
        while all.is_empty() || started.elapsed() < LONG_ENOUGH {
            all.push(upscale(executor, coefficients, timesteps)?);
        }
        let median = |time: &dyn Fn(&Self) -> f64| {
            let mut times: Vec<f64> = all.iter().map(time).collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        Ok(Self {
            others: std::array::from_fn(|at| median(&|times| times.others[at])),
            steps: median(&|times| times.steps),
        })
    }
}

fn upscale(
    executor: &mut dyn Executor,
    coefficients: &[StepCoefficients],
    timesteps: usize,
) -> Result<Times, ExecError> {
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
    executor.set_records(&records)?;

    let timed = |executor: &mut dyn Executor, name: &str| {
        executor.wait(0)?;
        let start = Instant::now();
        executor.run(name, 0)?;
        executor.wait(0)?;
        Ok::<f64, ExecError>(ms(start))
    };
    let before = [names::MODEL, names::IMAGE, names::CONDITION, names::START];
    let mut others = [0.0; 5];
    for (time, name) in others.iter_mut().zip(before) {
        *time = timed(executor, name)?;
    }
    let start = Instant::now();
    for index in 1..records.len() {
        executor.run(names::PREDICT, index)?;
        executor.run(names::UPDATE, index)?;
        executor.wait(AHEAD * RUNS)?;
    }
    executor.wait(0)?;
    let steps = ms(start);
    others[4] = timed(executor, names::FINISH)?;
    let result = executor.read(names::SR)?;
    assert!(
        result.iter().any(|&v| v != result[0]),
        "the result is of one colour"
    );
    Ok(Times { others, steps })
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
