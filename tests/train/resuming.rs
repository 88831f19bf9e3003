//! A training that was interrupted comes to the numbers of one that was not.

use super::photos::{DISTILLATION, Folder, batches, model, picture};
use super::support_models;
use srdiff::model::{Model, Weights};
use srdiff::train::data::Degradation;
use srdiff::train::{
    Checkpoint, CheckpointProblem, Decay, OpenDevice, RateSchedule, Session, SessionError,
    SessionOptions, Stage, Teacher, TrainerOptions,
};
use srdiff::upscale::{DeviceChoice, PrecisionChoice};
use std::path::Path;
use std::sync::Arc;

const STEPS: u64 = 6;

pub fn cpu() -> OpenDevice {
    OpenDevice::open(&DeviceChoice::Cpu, PrecisionChoice::F32).unwrap()
}

/// Two steps of one image, 8x8 in LR.
pub fn two_steps(stage: Stage) -> SessionOptions {
    SessionOptions {
        trainer: TrainerOptions::new(stage, 1, [8; 2]),
        schedule: RateSchedule {
            rate: 1e-3,
            warm_up: 0,
            decay: Decay::Constant,
        },
        accumulate: 1,
        steps: Some(2),
        time: None,
        workers: 1,
    }
}

fn options(stage: Stage, lr_side: usize, workers: usize) -> SessionOptions {
    SessionOptions {
        trainer: TrainerOptions {
            accumulates: true,
            decay: 0.01,
            ..TrainerOptions::new(stage, 2, [lr_side; 2])
        },
        schedule: RateSchedule {
            rate: 1e-3,
            warm_up: 2,
            decay: Decay::Cosine,
        },
        accumulate: 2,
        steps: Some(STEPS),
        time: None,
        workers,
    }
}

fn degraded() -> Degradation {
    Degradation {
        noise: Some(0.0..=5.0),
        jpeg: Some(50..=90),
    }
}

fn session(
    folder: &Folder,
    model: Model,
    (stage, workers): (Stage, usize),
    resumed: Option<(&Checkpoint, &Path)>,
) -> Result<Session, SessionError> {
    let lr_side = 8;
    let batches = batches(
        folder,
        model.settings(),
        (stage, 2, lr_side),
        degraded(),
        u64::MAX,
    );
    let options = options(stage, lr_side, workers);
    let teacher = (stage == Stage::Distill).then(|| teacher(support_models::model("tiny-x4")));
    Session::new(&cpu(), Arc::new(model), teacher, batches, options, resumed)
}

fn teacher(model: Model) -> Teacher {
    Teacher::new(&cpu(), Arc::new(model), DISTILLATION, 2, [8; 2]).unwrap()
}

/// All tensors of a checkpoint's file.
fn tensors(file: &Path) -> Vec<(String, Vec<f32>)> {
    let weights = Weights::open(file).unwrap();
    let tensor = |name: &str| weights.tensor(name).unwrap().values.into_owned();
    let named = |name: &str| (name.to_owned(), tensor(name));
    weights.names().map(named).collect()
}

fn goes_on_as_if_never_stopped(model: impl Fn() -> Model, stage: Stage) {
    let folder = Folder::with_images();
    let saved = |name: &str, session: &mut Session| {
        let file = folder.path(name);
        session.checkpoint().unwrap().save(&file).unwrap();
        file
    };
    let mut whole = session(&folder, model(), (stage, 1), None).unwrap();
    let mut losses = Vec::new();
    while !whole.is_done() {
        losses.push(whole.step().unwrap().report);
    }
    assert_eq!(whole.done(), STEPS);
    let whole = saved("whole.checkpoint", &mut whole);

    let mut first = session(&folder, model(), (stage, 2), None).unwrap();
    for expected in &losses[..3] {
        assert_eq!(&first.step().unwrap().report, expected);
    }
    let file = saved("half.checkpoint", &mut first);
    drop(first);
    let checkpoint = Checkpoint::open(&file).unwrap();
    let model = checkpoint.model(&file).unwrap();
    let resumed = Some((&checkpoint, &*file));
    let mut second = session(&folder, model, (stage, 3), resumed).unwrap();
    assert_eq!(second.done(), 3);
    for expected in &losses[3..] {
        assert_eq!(&second.step().unwrap().report, expected);
    }
    assert!(second.is_done());
    let resumed = saved("resumed.checkpoint", &mut second);
    let (whole, resumed) = (tensors(&whole), tensors(&resumed));
    assert!(whole.iter().any(|(name, _)| name.starts_with("adam.v.")));
    assert!(whole.iter().any(|(name, _)| name.starts_with("average.")));
    assert_eq!(whole.len(), resumed.len());
    for (a, b) in whole.iter().zip(&resumed) {
        assert!(a == b, "{} differs", a.0);
    }
}

#[test]
fn both_parts_of_a_new_model() {
    goes_on_as_if_never_stopped(|| model(4, 5), Stage::Joint);
}

#[test]
fn the_denoiser_of_a_model_with_attention() {
    let model = || support_models::model("tiny-options-x2");
    goes_on_as_if_never_stopped(model, Stage::Denoiser);
}

#[test]
fn the_encoder_alone() {
    goes_on_as_if_never_stopped(|| model(4, 5), Stage::Encoder);
}

#[test]
fn a_student_with_its_teacher() {
    goes_on_as_if_never_stopped(|| model(4, 5), Stage::Distill);
}

/// Other photos, and another stage, would be another training.
#[test]
fn a_checkpoint_is_refused_where_it_would_not_go_on() {
    let folder = Folder::with_images();
    let mut first = session(&folder, model(4, 5), (Stage::Joint, 1), None).unwrap();
    first.step().unwrap();
    let file = folder.path("run.checkpoint");
    first.checkpoint().unwrap().save(&file).unwrap();
    let checkpoint = Checkpoint::open(&file).unwrap();
    let refused = |stage, folder: &Folder| {
        let resumed = Some((&checkpoint, &*file));
        match session(
            folder,
            checkpoint.model(&file).unwrap(),
            (stage, 1),
            resumed,
        ) {
            Err(SessionError::Checkpoint(error)) => match error.problem {
                CheckpointProblem::Differs { name, .. } => name,
                problem => panic!("{problem}"),
            },
            Err(error) => panic!("{error}"),
            Ok(_) => "nothing",
        }
    };
    assert_eq!(refused(Stage::Joint, &folder), "nothing");
    assert_eq!(refused(Stage::Encoder, &folder), "stage");
    let other = Folder::with_images();
    other.draw("d.png", 64, 64);
    assert_eq!(refused(Stage::Joint, &other), "images");
    // Another image of the same name and size.
    let other = Folder::with_images();
    picture(6, 40, 40).save(other.path("c.png")).unwrap();
    assert_eq!(refused(Stage::Joint, &other), "images");
}
