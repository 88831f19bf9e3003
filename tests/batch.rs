//! Several pictures at once: every phase of whole models in a batch of two
//! gives what each picture gives alone, with its own sample of the noise.

#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use srdiff::diffusion::{Sampler, Schedule};
use srdiff::exec::cpu::{self, CpuExecutor};
use srdiff::exec::gpu::{self, Gpu, GpuExecutor, GpuOptions};
use srdiff::exec::{Executor, Place, StepRecord};
use srdiff::graph::{Precision, plan};
use srdiff::model::{Model, PhaseOptions, names, phases, time::sinusoidal_embedding};
use srdiff::ops::NoiseSource;
use srdiff::upscale::step_record;
use std::sync::Arc;
use support_models::model;

const HEIGHT: usize = 4;
const WIDTH: usize = 6;

/// Allowed difference on the [-1, 1] scale: a batch may be summed in another
/// order, and early steps enlarge what that rounds.
const BOUND: f32 = 1e-4;

/// Options of the model that treat samples differently: none, group norms,
/// and attention with everything else.
const FIXTURES: [&str; 3] = ["tiny-x4", "tiny-gn-x4", "tiny-options-x2"];

/// Two unlike pictures.
fn pictures() -> [Vec<u32>; 2] {
    let pixels = |f: fn(u32) -> u32| (0..(HEIGHT * WIDTH) as u32).map(f).collect();
    [
        pixels(|i| (i * 10) | (255 - i * 9) << 8 | (i % 5 * 50) << 16 | 255 << 24),
        pixels(|i| (i % 2 * 180 + 40) | (i % 3 * 90) << 8 | (i * 7) << 16 | 255 << 24),
    ]
}

fn open(model: &Model, batch: usize, gpu: Option<&Arc<Gpu>>) -> Box<dyn Executor> {
    let options = PhaseOptions {
        batch,
        height: HEIGHT,
        width: WIDTH,
        noise: NoiseSource::Generated,
        sr_head: false,
    };
    let graphs = phases::build(model.settings(), &options).unwrap();
    match gpu {
        None => {
            let program = plan(&graphs, cpu::plan_options()).unwrap();
            Box::new(CpuExecutor::new(program, model).unwrap())
        }
        Some(gpu) => {
            let program = plan(&graphs, gpu::plan_options(Precision::F32)).unwrap();
            Box::new(GpuExecutor::new(gpu.clone(), program, model).unwrap())
        }
    }
}

/// The whole process for `pixels`, as many pictures as `batch`, the first of
/// which is sample `sample` of the seed. Returns the result on the [-1, 1]
/// scale, and its pixels.
fn upscale(
    model: &Model,
    batch: usize,
    pixels: &[u32],
    sample: u32,
    gpu: Option<&Arc<Gpu>>,
) -> (Vec<f32>, Vec<u32>) {
    let settings = model.settings();
    let schedule = Schedule::new(&settings.schedule, settings.timesteps).unwrap();
    let steps = Sampler::Ddpm.steps(&schedule, 5).unwrap();
    let keyed = StepRecord {
        seed_low: 99,
        places: Place::samples(sample),
        ..StepRecord::default()
    };
    let start = StepRecord {
        noise_step: settings.timesteps as u32,
        ..keyed
    };
    let mut records = vec![start];
    records.extend(steps.iter().map(|step| step_record(step, keyed)));

    let mut executor = open(model, batch, gpu);
    let run = |executor: &mut dyn Executor, phase: &str, record: usize| {
        let phase = executor.program().phase(phase).unwrap();
        executor.run(phase, record).unwrap();
    };
    let executor = executor.as_mut();
    executor.set_steps(&records).unwrap();
    let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &sinusoids).unwrap();
    run(executor, names::MODEL, 0);
    executor.write_pixels(names::LR, pixels).unwrap();
    run(executor, names::IMAGE, 0);
    run(executor, names::START, 0);
    for record in 1..records.len() {
        run(executor, names::STEP, record);
    }
    run(executor, names::FINISH, 0);
    executor.wait(0).unwrap();
    let sr = executor.read(names::SR).unwrap();
    (sr, executor.read_pixels(names::PICTURE).unwrap())
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|v| v.is_finite()));
    a.iter()
        .zip(b)
        .fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

fn channels_differ_by_more_than_one(a: u32, b: u32) -> bool {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    a.iter().zip(&b).any(|(a, b)| a.abs_diff(*b) > 1)
}

fn check(fixture: &str, device: &str, gpu: Option<&Arc<Gpu>>) {
    let model = model(fixture);
    let [first, second] = pictures();
    let both = [&first[..], &second].concat();
    let (sr, picture) = upscale(&model, 2, &both, 0, gpu);
    let alone = [
        upscale(&model, 1, &first, 0, gpu),
        upscale(&model, 1, &second, 1, gpu),
    ];
    for (n, (alone_sr, alone_picture)) in alone.iter().enumerate() {
        let len = alone_sr.len();
        let difference = largest_difference(&sr[n * len..][..len], alone_sr);
        println!("{fixture} on {device}, {n} of 2: largest difference {difference:.1e}");
        assert!(difference <= BOUND, "{fixture} on {device}: {difference:e}");
        let len = alone_picture.len();
        let pairs = picture[n * len..][..len].iter().zip(alone_picture);
        let wrong = pairs
            .filter(|&(&a, &b)| channels_differ_by_more_than_one(a, b))
            .count();
        assert_eq!(wrong, 0, "{fixture} on {device}, pixels of {n}");
    }
    // What the comparison has to notice: another sample, the other picture.
    let wrong_sample = upscale(&model, 1, &second, 0, gpu).0;
    assert!(largest_difference(&wrong_sample, &alone[1].0) > 100.0 * BOUND);
    assert!(largest_difference(&alone[0].0, &alone[1].0) > 100.0 * BOUND);
    assert_eq!(sr.len(), 2 * alone[0].0.len());
}

#[test]
fn a_batch_on_the_cpu_is_each_picture_alone() {
    for fixture in FIXTURES {
        check(fixture, "the CPU", None);
    }
}

#[test]
fn a_batch_on_the_gpu_is_each_picture_alone() {
    for adapter in support::adapters() {
        let gpu = Gpu::open(adapter.index, GpuOptions { checked: false }).unwrap();
        let gpu = Arc::new(gpu);
        for fixture in FIXTURES {
            check(fixture, &adapter.name, Some(&gpu));
        }
    }
}
