//! Several images at once: every phase of whole models in a batch of two gives
//! what each image gives alone, with its own sample of the noise.

#[path = "support/mod.rs"]
mod support;
#[path = "support/models.rs"]
mod support_models;

use srdiff::diffusion::{Sampler, Schedule};
use srdiff::exec::gpu::{Gpu, GpuOptions};
use srdiff::exec::{Backend, Executor, Place, PrepareOptions, StepRecord};
use srdiff::image::{Picture, picture_from_planes};
use srdiff::model::{Model, PhaseOptions, Settings, names, phases, time::sinusoidal_embedding};
use srdiff::plan::Precision;
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

/// Two unlike images, as planes of R, G and B in [0, 1].
fn images() -> [Vec<f32>; 2] {
    let planes = |channels: [fn(usize) -> usize; 3]| {
        let plane = |f: fn(usize) -> usize| (0..HEIGHT * WIDTH).map(f);
        let bytes = channels.into_iter().flat_map(plane);
        bytes.map(|byte| byte as u8 as f32 / 255.0).collect()
    };
    [
        planes([|i| i * 10, |i| 255 - i * 9, |i| i % 5 * 50]),
        planes([|i| i % 2 * 180 + 40, |i| i % 3 * 90, |i| i * 7]),
    ]
}

/// A model on a device, for batches of any size.
struct Subject {
    name: String,
    model: Arc<Model>,
    backend: Backend,
}

impl Subject {
    fn new(fixture: &str, device: &str, gpu: Option<&Arc<Gpu>>) -> Self {
        let model = Arc::new(model(fixture));
        Self {
            name: format!("{fixture} on {device}"),
            backend: match gpu {
                None => Backend::cpu(Precision::F32, model.clone()),
                Some(gpu) => Backend::gpu(gpu.clone(), Precision::F32, model.clone()),
            },
            model,
        }
    }

    fn settings(&self) -> &Settings {
        self.model.settings()
    }

    /// A program for as many images as `planes` has, its time tables and
    /// conditioning computed.
    fn open(&self, records: &[StepRecord], planes: &[f32]) -> Box<dyn Executor> {
        let options = PhaseOptions {
            batch: planes.len() / (3 * HEIGHT * WIDTH),
            ..PhaseOptions::new([WIDTH, HEIGHT])
        };
        let settings = self.settings();
        let graphs = phases::build(settings, &options).unwrap();
        let mut executor = self
            .backend
            .load(&graphs, &PrepareOptions::default())
            .unwrap();
        executor.set_records(records).unwrap();
        let sinusoids = sinusoidal_embedding(settings.timesteps, settings.hidden);
        executor.write(names::TIME, &sinusoids).unwrap();
        executor.run(names::MODEL, 0).unwrap();
        executor.write(names::LR, planes).unwrap();
        executor.run(names::IMAGE, 0).unwrap();
        executor.run(names::CONDITION, 0).unwrap();
        executor
    }

    /// The results of the whole process on the [-1, 1] scale; the first image
    /// is sample `sample` of the seed.
    fn upscale(&self, planes: &[f32], sample: u32) -> Vec<f32> {
        let settings = self.settings();
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

        let mut executor = self.open(&records, planes);
        executor.run(names::START, 0).unwrap();
        for record in 1..records.len() {
            executor.run(names::PREDICT, record).unwrap();
            executor.run(names::UPDATE, record).unwrap();
        }
        executor.run(names::FINISH, 0).unwrap();
        let non_finite = executor.read(names::NON_FINITE).unwrap();
        assert!(non_finite.iter().all(|&count| count == 0.0));
        executor.read(names::SR).unwrap()
    }

    /// The estimates of x_0 from `x`, each at its own timestep: x - eps / 2.
    fn estimate(&self, planes: &[f32], x: &[f32], timesteps: &[u32]) -> Vec<f32> {
        let mut record = StepRecord {
            clip: f32::MAX,
            x0_from_x: 1.0,
            x0_from_eps: 0.5,
            ..StepRecord::default()
        };
        for (place, &timestep) in record.places.iter_mut().zip(timesteps) {
            place.table_row = timestep;
        }
        let mut executor = self.open(&[record], planes);
        executor.write(names::X, x).unwrap();
        executor.run(names::PREDICT, 0).unwrap();
        executor.read(names::X0).unwrap()
    }
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|v| v.is_finite()));
    a.iter()
        .zip(b)
        .fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// A result as bytes.
fn bytes(sr: &[f32], scale: usize) -> Vec<u8> {
    let like = Picture::new(WIDTH, HEIGHT, vec![0; 3 * WIDTH * HEIGHT]);
    let picture = picture_from_planes(sr, scale * WIDTH, &like, scale).unwrap();
    picture.rgb8().into_owned()
}

fn check_images(subject: &Subject) {
    let [first, second] = images();
    let sr = subject.upscale(&[&first[..], &second].concat(), 0);
    let alone = [subject.upscale(&first, 0), subject.upscale(&second, 1)];
    let (name, scale) = (&subject.name, subject.settings().scale);
    assert_eq!(sr.len(), 2 * alone[0].len());
    for (n, (found, alone)) in sr.chunks(alone[0].len()).zip(&alone).enumerate() {
        let difference = largest_difference(found, alone);
        println!("{name}, {n} of 2: largest difference {difference:.1e}");
        assert!(difference <= BOUND, "{name}: {difference:e}");
        let (found, alone) = (bytes(found, scale), bytes(alone, scale));
        let wrong = found
            .iter()
            .zip(&alone)
            .filter(|(a, b)| a.abs_diff(**b) > 1);
        assert_eq!(wrong.count(), 0, "{name}, bytes of {n}");
    }
    // What the comparison has to notice: another sample, the other image.
    let wrong_sample = subject.upscale(&second, 0);
    assert!(largest_difference(&wrong_sample, &alone[1]) > 100.0 * BOUND);
    assert!(largest_difference(&alone[0], &alone[1]) > 100.0 * BOUND);
}

/// Each element of a batch has its own row of the time tables.
fn check_timesteps(subject: &Subject) {
    let name = &subject.name;
    let last = subject.settings().timesteps as u32 - 1;
    let [first, second] = images();
    let elements = 3 * HEIGHT * WIDTH * subject.settings().scale.pow(2);
    let x: Vec<f32> = (0..2 * elements)
        .map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0)
        .collect();
    let both = [&first[..], &second].concat();
    let found = subject.estimate(&both, &x, &[last, 3]);
    let alone = [
        subject.estimate(&first, &x[..elements], &[last]),
        subject.estimate(&second, &x[elements..], &[3]),
    ];
    for (n, (found, alone)) in found.chunks(elements).zip(&alone).enumerate() {
        let difference = largest_difference(found, alone);
        println!("{name}, timestep of {n}: largest difference {difference:.1e}");
        assert!(difference <= BOUND, "{name}, {n}: {difference:e}");
    }
    // What the comparison has to notice: the other element's timestep.
    for (planes, x, wrong, right) in [
        (&first, &x[..elements], 3, &alone[0]),
        (&second, &x[elements..], last, &alone[1]),
    ] {
        let wrong = subject.estimate(planes, x, &[wrong]);
        let difference = largest_difference(&wrong, right);
        assert!(difference > 100.0 * BOUND, "{name}: {difference:e}");
    }
}

/// What is no number is counted in the element and the row that has it.
fn check_non_finite(subject: &Subject) {
    let [first, second] = images();
    let mut executor = subject.open(&[StepRecord::default()], &[first, second].concat());
    let scale = subject.settings().scale;
    let (height, width) = (scale * HEIGHT, scale * WIDTH);
    let mut x = vec![0.0; 2 * 3 * height * width];
    // Of the second image: row 2 in two channels, and the last element.
    let at = |channel: usize, row: usize| ((3 + channel) * height + row) * width;
    x[at(0, 2) + 1] = f32::NAN;
    x[at(2, 2) + 4] = f32::NAN;
    *x.last_mut().unwrap() = f32::NAN;
    executor.write(names::X, &x).unwrap();
    executor.run(names::FINISH, 0).unwrap();
    let mut expected = vec![0.0; 2 * height];
    expected[height + 2] = 2.0;
    expected[2 * height - 1] = 1.0;
    let found = executor.read(names::NON_FINITE).unwrap();
    assert_eq!(found, expected, "{}", subject.name);
}

fn check(subject: &Subject) {
    check_images(subject);
    check_timesteps(subject);
    check_non_finite(subject);
}

#[test]
fn a_batch_on_the_cpu_is_each_image_alone() {
    for fixture in FIXTURES {
        check(&Subject::new(fixture, "the CPU", None));
    }
}

#[test]
fn a_batch_on_the_gpu_is_each_image_alone() {
    for adapter in support::adapters() {
        let gpu = Gpu::open(adapter.index, GpuOptions { checked: false }).unwrap();
        let gpu = Arc::new(gpu);
        for fixture in FIXTURES {
            check(&Subject::new(fixture, &adapter.name, Some(&gpu)));
        }
    }
}
