//! What a student is taught.

use super::photos::{DISTILLATION, Folder, batches, model};
use super::resuming::cpu;
use super::support_models;
use srdiff::diffusion::{Process, Sampler, Schedule};
use srdiff::exec::{PrepareOptions, StepRecord};
use srdiff::model::time::sinusoidal_embedding;
use srdiff::model::{Model, PhaseOptions, names, phases};
use srdiff::train::data::Degradation;
use srdiff::train::{Batch, Distillation, Stage, Teacher};
use srdiff::upscale::step_record;
use std::sync::Arc;

const SIZES: (Stage, usize, usize) = (Stage::Distill, 3, 8);

fn taught(model: Model, distillation: Distillation, batch: &Batch) -> Batch {
    let (_, count, side) = SIZES;
    let teacher = Teacher::new(&cpu(), Arc::new(model), distillation, count, [side; 2]);
    let mut taught = batch.clone();
    teacher.unwrap().teach(&mut taught, 7).unwrap();
    taught
}

/// The model's estimate of x_0, of a batch whose images are all of timestep `t`.
fn estimate(model: Model, batch: &Batch, x: &[f64], t: usize) -> Vec<f64> {
    let (_, count, side) = SIZES;
    let settings = model.settings().clone();
    let schedule = Schedule::new(&settings.schedule, settings.timesteps).unwrap();
    let options = PhaseOptions {
        batch: count,
        ..PhaseOptions::new([side, side])
    };
    let graphs = phases::build(&settings, &options).unwrap();
    let backend = cpu().backend(Arc::new(model));
    let mut executor = backend.load(&graphs, &PrepareOptions::default()).unwrap();
    let step = Sampler::Ddpm.steps_at(&schedule, &[t]).unwrap()[0];
    let record = step_record(&step, StepRecord::default());
    executor.set_records(&[record]).unwrap();
    let time = sinusoidal_embedding(settings.timesteps, settings.hidden);
    executor.write(names::TIME, &time).unwrap();
    executor.write(names::LR, &batch.lr).unwrap();
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    executor.write(names::X, &x).unwrap();
    for phase in [names::MODEL, names::IMAGE, names::CONDITION, names::PREDICT] {
        executor.run(phase, 0).unwrap();
    }
    let x0 = executor.read(names::X0).unwrap();
    x0.into_iter().map(f64::from).collect()
}

/// A teacher of six steps against DDIM's formula, step by step.
#[test]
fn a_teacher_goes_the_way_of_its_sampler() {
    let folder = Folder::with_images();
    let teacher = || support_models::model("tiny-x4");
    let settings = teacher().settings().clone();
    let schedule = Schedule::new(&settings.schedule, settings.timesteps).unwrap();
    let abar = |t: usize| schedule.alphas_cumprod()[t];
    let batches = batches(&folder, &settings, SIZES, Degradation::default(), u64::MAX);
    let mut seen = Vec::new();
    for number in 0..20 {
        let batch = batches.make(number).unwrap();
        let t = batch.denoiser.timesteps[0];
        assert!(batch.denoiser.timesteps.iter().all(|&other| other == t));
        if seen.contains(&t) {
            continue;
        }
        seen.push(t);
        // Two steps of the student to 89, and six of the teacher.
        let way: &[usize] = match t {
            89 => &[89, 74, 59, 44, 30, 15],
            44 => &[44, 30, 15],
            other => panic!("a student of two steps at {other}"),
        };
        let mut x: Vec<f64> = batch.denoiser.x_t.iter().map(|&x| x.into()).collect();
        for (at, &t) in way.iter().enumerate() {
            let x0 = estimate(teacher(), &batch, &x, t);
            let [signal, noise] = [abar(t).sqrt(), (1.0 - abar(t)).sqrt()];
            let [next_signal, next_noise] = match way.get(at + 1) {
                Some(&next) => [abar(next).sqrt(), (1.0 - abar(next)).sqrt()],
                None => [1.0, 0.0],
            };
            let next = x.iter().zip(x0).map(|(x, x0)| {
                let eps = (x - signal * x0) / noise;
                next_signal * x0 + next_noise * eps
            });
            x = next.collect();
        }
        let taught = taught(teacher(), DISTILLATION, &batch);
        assert_eq!(taught.denoiser.x_t, batch.denoiser.x_t);
        let [signal, noise] = [abar(t).sqrt(), (1.0 - abar(t)).sqrt()];
        let pixels = taught.denoiser.eps.iter().zip(&batch.denoiser.x_t).zip(x);
        let most = pixels
            .map(|((&eps, &x_t), x_0)| {
                let expected = (f64::from(x_t) - signal * x_0) / noise;
                (f64::from(eps) - expected).abs()
            })
            .fold(0.0, f64::max);
        assert!(most < 1e-5, "off by {most} at {t}");
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// A teacher whose sampler draws noise draws other noise for each image and seed.
#[test]
fn noise_is_drawn_for_each_image() {
    let folder = Folder::with_images();
    let model = || model(4, 3);
    let settings = model().settings().clone();
    let distillation = Distillation {
        teacher: Process {
            sampler: Sampler::Ddpm,
            steps: 6,
        },
        ..DISTILLATION
    };
    let mut batch = batches(&folder, &settings, SIZES, Degradation::default(), u64::MAX)
        .make(0)
        .unwrap();
    // Three times the same image.
    let alike = |values: &mut Vec<f32>| {
        let first = values[..values.len() / 3].to_vec();
        *values = first.repeat(3);
    };
    alike(&mut batch.lr);
    alike(&mut batch.denoiser.x_t);
    let taught = taught(model(), distillation, &batch).denoiser.eps;
    let images: Vec<&[f32]> = taught.chunks(taught.len() / 3).collect();
    assert!(images[0] != images[1] && images[1] != images[2]);
    let again = self::taught(model(), distillation, &batch).denoiser.eps;
    assert!(taught == again);
}

#[test]
fn a_teacher_of_another_scale_is_refused() {
    let teacher = Teacher::new(&cpu(), Arc::new(model(4, 1)), DISTILLATION, 3, [8; 2]);
    let teacher = teacher.unwrap();
    teacher.check(model(4, 2).settings()).unwrap();
    let error = teacher.check(model(2, 2).settings()).unwrap_err();
    assert!(error.to_string().contains("scale is 4"), "{error}");
}

/// The first timestep of many steps has next to no signal: an estimate from it
/// costs most, and nothing is learnt there.
#[test]
fn no_timestep_takes_all_of_the_training() {
    let model = support_models::model("tiny-x4");
    let settings = model.settings();
    let schedule = Schedule::new(&settings.schedule, settings.timesteps).unwrap();
    for steps in [10, 16, 50] {
        let student = Process {
            sampler: Sampler::Ddpm,
            steps,
        };
        let distillation = Distillation {
            student,
            ..DISTILLATION
        };
        let likely = distillation.timesteps(&schedule).unwrap();
        assert_eq!(likely.len(), steps);
        assert!((likely.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        let most = likely.iter().map(|(_, share)| *share).fold(0.0, f64::max);
        assert!(most < 4.0 / steps as f64, "{steps} steps: {likely:?}");
    }
}
