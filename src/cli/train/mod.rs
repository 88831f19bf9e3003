//! `srdiff train`: photos in, a model file out.

mod args;
mod distill;
mod failure;
mod outputs;
mod photos;
mod report;
mod run;
mod save;
mod validate;

use args::Loss;
pub use args::TrainArgs;
pub use failure::TrainFailure;

use super::args::Precision;
use super::failure::Failure;
use super::signals::Stop;
use super::terminal;
use distill::Lesson;
use run::Run;
use srdiff::atomic_file;
use srdiff::model::{Model, Settings};
use srdiff::ops::Norm;
use srdiff::train::data::{BatchOptions, Batches, Degradation};
use srdiff::train::events::Events;
use srdiff::train::{
    Checkpoint, NewModel, OpenDevice, PreparedTrainer, RateSchedule, Session, SessionOptions,
    Stage, Teacher, Trainer, TrainerOptions,
};
use srdiff::upscale::PrecisionChoice;
use std::io;
use std::path::Path;
use std::sync::Arc;
use validate::Validator;

pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals();
    let file = outputs::checkpoint_file(args);
    let resumed = outputs::open_checkpoint(args, &file)?;
    let found = photos::find(args)?;
    for file in [&args.output, &file] {
        atomic_file::remove_leftovers_beside(file);
    }
    let seed = match (&resumed, args.seed) {
        (_, Some(seed)) => seed,
        (Some(checkpoint), None) => checkpoint.saved.rules.seed,
        // Short enough to be typed.
        (None, None) => rand::random::<u32>().into(),
    };
    let stage = stage(args);
    let lesson = Lesson::new(args, stage)?;
    let model = open_model(args, resumed.as_ref(), &file, seed)?;
    let distilled = match &lesson {
        Some(lesson) => Some(lesson.distillation.student),
        // The noise predictor stays what it is.
        None if stage == Stage::Encoder => model.settings().distilled,
        None => None,
    };
    let model = Arc::new(model.distilled_for(distilled)?);
    let settings = model.settings();
    let trainer = trainer_options(args, stage, settings)?;

    let precision = match args.precision {
        Precision::Auto => PrecisionChoice::F32,
        given => given.into(),
    };
    let device = OpenDevice::open(&args.device, precision).map_err(TrainFailure::from)?;
    let backend = device.backend(model.clone());
    let prepared = Trainer::prepare(&backend, settings, trainer.clone());
    let prepared = prepared.map_err(TrainFailure::from)?;
    let teacher = match &lesson {
        Some(lesson) => Some(lesson.teacher(&device, settings, &trainer)?),
        None => None,
    };
    let memory = check_memory(&device, &prepared, teacher.as_ref())?;

    let validator = match &args.validate {
        Some(folder) => Some(Validator::load(args, folder, &found.held, settings)?),
        None => None,
    };
    let needed = prepared.memory().total_bytes();
    let photos = photos::load(args, &found, settings, &device, needed, &stop)?;
    let batches = batch_options(args, &trainer, seed, lesson.as_ref());
    let batches = Batches::new(photos, settings, batches).map_err(TrainFailure::from)?;
    let options = session_options(args, trainer);
    let resumed = resumed.as_ref().map(|checkpoint| (checkpoint, &*file));
    let model = model.clone();
    let session = Session::prepared(
        &backend, prepared, model, teacher, batches, options, resumed,
    )
    .map_err(TrainFailure::from)?;
    announce(&device, memory, &session);
    let events = match &args.events {
        Some(folder) => {
            let unwritable =
                |error: io::Error| TrainFailure::Events(folder.clone(), error.to_string());
            Some(Events::create(folder).map_err(unwritable)?)
        }
        None => None,
    };
    Run::new(args, device, stop, session, file, validator, events).train()
}

/// Tells what is trained, and on what.
fn announce(device: &OpenDevice, memory: u64, session: &Session) {
    let selected = device.selected();
    let (name, reason) = (&selected.device, &selected.reason);
    let precision = device.precision();
    terminal::status(&format!(
        "{name}: {reason}; {precision}; {memory} MiB of memory"
    ));
    let batches = session.batches();
    terminal::status(&format!(
        "{} images, {} parameters, seed {}{}",
        batches.photos().len(),
        parameters(session),
        batches.options().seed,
        match session.done() {
            0 => String::new(),
            step => format!("; going on after step {step}"),
        }
    ));
}

/// The model to begin with.
fn open_model(
    args: &TrainArgs,
    resumed: Option<&Checkpoint>,
    file: &Path,
    seed: u64,
) -> Result<Model, Failure> {
    let new = || NewModel {
        hidden: args.hidden,
        mults: args.mults.clone(),
        features: args.features,
        blocks: args.blocks,
        scale: args.scale,
        groups: args.groups,
    };
    if let Some(checkpoint) = resumed {
        let asked = match (&args.model, args.new) {
            (Some(path), _) => Some(Model::open(path)?.settings().clone()),
            (None, true) => Some(new().settings().map_err(TrainFailure::from)?),
            (None, false) => None,
        };
        // What it is distilled for is compared by the rules.
        let undistilled = |settings: &Settings| Settings {
            distilled: None,
            ..settings.clone()
        };
        let saved = undistilled(checkpoint.settings());
        if asked.is_some_and(|asked| undistilled(&asked) != saved) {
            let text = format!(
                "{}: was made with a model of other sizes; leave out what says which model",
                file.display()
            );
            return Err(Failure::Usage(text));
        }
        return Ok(checkpoint.model(file).map_err(TrainFailure::from)?);
    }
    Ok(match &args.model {
        Some(path) => Model::open(path)?,
        None if args.new => new().make(seed).map_err(TrainFailure::from)?,
        None => Model::starter(),
    })
}

fn stage(args: &TrainArgs) -> Stage {
    args.stage.map_or_else(
        || match args.new {
            true => Stage::Joint,
            false => Stage::Denoiser,
        },
        Stage::from,
    )
}

fn trainer_options(
    args: &TrainArgs,
    stage: Stage,
    settings: &Settings,
) -> Result<TrainerOptions, Failure> {
    let multiple = settings.scale * settings.lr_size_multiple();
    let least = settings.scale * settings.padded_lr_side(1);
    if !args.patch.is_multiple_of(multiple) || args.patch < least {
        return Err(Failure::Usage(format!(
            "--patch {}: choose a multiple of {multiple}, {least} or more, for this model",
            args.patch
        )));
    }
    let lr_side = args.patch / settings.scale;
    Ok(TrainerOptions {
        norm: match args.loss {
            Loss::L1 => Norm::L1,
            Loss::L2 => Norm::L2,
        },
        accumulates: args.accumulate > 1,
        segments: args.recompute.into(),
        decay: args.weight_decay as f32,
        decoupled: true,
        max_norm: args.clip as f32,
        average: args.average as f32,
        ..TrainerOptions::new(stage, args.batch.into(), [lr_side; 2])
    })
}

fn batch_options(
    args: &TrainArgs,
    trainer: &TrainerOptions,
    seed: u64,
    lesson: Option<&Lesson>,
) -> BatchOptions {
    BatchOptions {
        stage: trainer.stage,
        batch: trainer.batch,
        lr_side: trainer.lr_size[0],
        degradation: Degradation {
            noise: args.noise.clone(),
            jpeg: args.jpeg.clone(),
        },
        drawings: args.drawings,
        seed,
        distillation: lesson.map(|lesson| lesson.distillation),
    }
}

fn session_options(args: &TrainArgs, trainer: TrainerOptions) -> SessionOptions {
    SessionOptions {
        trainer,
        schedule: RateSchedule {
            rate: args.rate,
            warm_up: args.warm_up,
            decay: args.decay,
        },
        accumulate: args.accumulate.into(),
        steps: args.steps,
        time: args.minutes,
        workers: args.workers.map_or_else(default_workers, usize::from),
    }
}

/// How much memory the training takes on the device, in MiB; refused if that does
/// not fit.
fn check_memory(
    device: &OpenDevice,
    prepared: &PreparedTrainer,
    teacher: Option<&Teacher>,
) -> Result<u64, Failure> {
    let of_teacher = teacher.map_or(0, |teacher| teacher.memory().total_bytes());
    let needed = prepared.memory().total_bytes() + of_teacher;
    // The teacher is loaded already.
    let available = device.usable_bytes(of_teacher);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if needed > available {
        let [needed, available] = [needed, available].map(mib);
        return Err(TrainFailure::Memory { needed, available }.into());
    }
    Ok(mib(needed))
}

fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, 8)
}

/// Elements of all parameters that are trained.
fn parameters(session: &Session) -> usize {
    let parameters = session.trainer().parameters();
    parameters.iter().map(|(_, shape)| shape.elements()).sum()
}
