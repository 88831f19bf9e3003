//! A model that learns a few images by heart, from nothing.

use super::photos::{Folder, batches_of};
use super::resuming::cpu;
use image::{Rgb, RgbImage};
use srdiff::diffusion::{Process, Sampler};
use srdiff::image::Picture;
use srdiff::model::convert::{ConvertOptions, assemble};
use srdiff::model::{Model, Settings};
use srdiff::train::data::{Degradation, find_images};
use srdiff::train::validation::{Measured, Validation};
use srdiff::train::{
    Decay, Distillation, NewModel, RateSchedule, Session, SessionOptions, Stage, Teacher,
    TrainerOptions,
};
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock};

const SIDE: u32 = 32;

/// Crossed waves, some so short that bicubic enlargement flattens them.
fn waves(kind: u32) -> RgbImage {
    let k = f64::from(kind);
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        Rgb([0.0, 1.0, 2.0].map(|channel| {
            let (sin, cos) = (0.8 * k + 0.3 * channel).sin_cos();
            let length = 5.0 + 0.7 * k + 0.4 * channel;
            let short = (TAU * (x * cos + y * sin) / length + channel).sin();
            let long = (TAU * (y * cos - x * sin) / (length + 4.0) + k).sin();
            (128.0 + 55.0 * short + 45.0 * long).round() as u8
        }))
    })
}

/// A folder of four images, and a model that has learnt them by heart.
struct Learnt {
    folder: Folder,
    settings: Settings,
    tensors: BTreeMap<String, Vec<f32>>,
}

static LEARNT: LazyLock<Learnt> = LazyLock::new(|| {
    let folder = Folder::new();
    for kind in 0..4 {
        waves(kind)
            .save(folder.path(&format!("{kind}.png")))
            .unwrap();
    }
    let new = NewModel {
        hidden: 16,
        mults: vec![1],
        features: 8,
        blocks: 2,
        scale: 2,
        groups: None,
    };
    let model = new.make(1).unwrap();
    let settings = model.settings().clone();
    let tensors = trained(&folder, model, Stage::Joint, None, (400, 4e-3));
    Learnt {
        folder,
        settings,
        tensors,
    }
});

const LR_SIDE: usize = SIDE as usize / 2;

/// The averages after so many steps with a rate.
fn trained(
    folder: &Folder,
    model: Model,
    stage: Stage,
    teacher: Option<Teacher>,
    (steps, rate): (u64, f64),
) -> BTreeMap<String, Vec<f32>> {
    let sizes = (stage, 4, LR_SIDE);
    let settings = model.settings();
    let distillation = teacher.as_ref().map(|teacher| *teacher.distillation());
    let clean = Degradation::default();
    let batches = batches_of(folder, settings, sizes, clean, u64::MAX, distillation);
    let options = SessionOptions {
        trainer: TrainerOptions {
            average: 0.99,
            ..TrainerOptions::new(stage, 4, [LR_SIDE; 2])
        },
        schedule: RateSchedule {
            rate,
            warm_up: 20,
            decay: Decay::Cosine,
        },
        accumulate: 1,
        steps: Some(steps),
        time: None,
        workers: 1,
    };
    let model = Arc::new(model);
    let mut session = Session::new(&cpu(), model, teacher, batches, options, None).unwrap();
    while !session.is_done() {
        session.step().unwrap();
    }
    session.averages().unwrap()
}

fn model(tensors: &BTreeMap<String, Vec<f32>>) -> Model {
    let options = ConvertOptions::default();
    assemble("learnt", &LEARNT.settings, tensors, &options).unwrap()
}

/// A model's own enlargements of the images, and their PSNR-Y.
fn measured(model: Model, stage: Stage) -> Measured {
    let paths = find_images(&[LEARNT.folder.root().to_owned()]).unwrap();
    let (validation, skipped) = Validation::load(&paths, model.settings()).unwrap();
    assert_eq!(skipped, []);
    let measured = validation.measure(model, stage, &cpu(), &|| false).unwrap();
    assert!(measured.bicubic_psnr_y < 34.0);
    measured
}

/// By its sampling and by the encoder's own image, both of which would show
/// a patch that is shifted or turned otherwise than its LR.
#[test]
fn four_images_are_learnt_by_heart() {
    for stage in [Stage::Joint, Stage::Encoder] {
        let psnr = measured(model(&LEARNT.tensors), stage).psnr_y;
        println!("{stage:?}: {psnr:.2} dB");
        assert!(psnr > 35.0, "{stage:?}: {psnr}");
    }
}

/// The results of a student in one step become those that its teacher comes to from
/// the same noise in many.
#[test]
fn a_student_comes_closer_to_its_teacher() {
    let process = |sampler, steps| Process { sampler, steps };
    let distillation = Distillation {
        student: process(Sampler::Ddpm, 1),
        teacher: process(Sampler::Ddim { eta: 0.0 }, 8),
    };
    let teacher = || model(&LEARNT.tensors);
    let lesson = Teacher::new(&cpu(), Arc::new(teacher()), distillation, 4, [LR_SIDE; 2]);
    let lesson = lesson.unwrap();
    let student = trained(
        &LEARNT.folder,
        teacher(),
        Stage::Distill,
        Some(lesson),
        (200, 1e-3),
    );
    let by = |model: Model, process| {
        let model = model.distilled_for(Some(process)).unwrap();
        measured(model, Stage::Distill).results
    };
    let many = by(teacher(), distillation.teacher);
    let difference = |results: &[Picture]| {
        let pairs = results.iter().zip(&many);
        let pairs = pairs.flat_map(|(a, b)| {
            a.rgb8()
                .iter()
                .copied()
                .zip(b.rgb8().to_vec())
                .collect::<Vec<_>>()
        });
        let squares = pairs.map(|(a, b)| f64::from(a.abs_diff(b)).powi(2));
        let all: Vec<f64> = squares.collect();
        (all.iter().sum::<f64>() / all.len() as f64).sqrt()
    };
    let before = difference(&by(teacher(), distillation.student));
    let after = difference(&by(model(&student), distillation.student));
    println!("{before:.2} levels from the teacher's results before, {after:.2} after");
    assert!(after < before / 2.0, "{before} {after}");
}
