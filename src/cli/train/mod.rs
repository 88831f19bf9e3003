//! `srdiff train`: photos in, a model file out.

mod args;
mod distill;
mod failure;
mod report;
mod run;
mod save;
mod validate;

use args::Loss;
pub use args::TrainArgs;
pub use failure::TrainFailure;

use super::args::Precision;
use super::failure::Failure;
use super::places::{Kept, Places};
use super::signals::Stop;
use super::terminal;
use distill::Lesson;
use indicatif::ProgressBar;
use run::Run;
use srdiff::atomic_file;
use srdiff::model::{Model, Settings};
use srdiff::ops::Norm;
use srdiff::train::data::{BatchOptions, Batches, Degradation, PhotoOptions, Photos, find_images};
use srdiff::train::events::Events;
use srdiff::train::{
    Checkpoint, NewModel, OpenDevice, PreparedTrainer, RateSchedule, Session, SessionOptions,
    Stage, Teacher, Trainer, TrainerOptions,
};
use srdiff::upscale::PrecisionChoice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use validate::Validator;

pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals();
    let file = checkpoint_file(args);
    let resumed = open_checkpoint(args, &file)?;
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

    let needed = prepared.memory().total_bytes();
    let photos = load_photos(args, settings, &device, needed, &stop)?;
    let count = photos.len();
    let batches = BatchOptions {
        stage: trainer.stage,
        batch: trainer.batch,
        lr_side: trainer.lr_size[0],
        degradation: Degradation {
            noise: args.noise.clone(),
            jpeg: args.jpeg.clone(),
        },
        drawings: args.drawings,
        seed,
        distillation: lesson.as_ref().map(|lesson| lesson.distillation),
    };
    let batches = Batches::new(photos, settings, batches).map_err(TrainFailure::from)?;
    let options = SessionOptions {
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
    };
    let resumed = resumed.as_ref().map(|checkpoint| (checkpoint, &*file));
    let validator = match &args.validate {
        Some(folder) => Some(Validator::load(args, folder, settings)?),
        None => None,
    };
    let model = model.clone();
    let session = Session::prepared(
        &backend, prepared, model, teacher, batches, options, resumed,
    )
    .map_err(TrainFailure::from)?;
    let selected = device.selected();
    let (name, reason) = (&selected.device, &selected.reason);
    let precision = device.precision();
    terminal::status(&format!(
        "{name}: {reason}; {precision}; {memory} MiB of memory"
    ));
    terminal::status(&format!(
        "{count} images, {} parameters, seed {seed}{}",
        parameters(&session),
        match session.done() {
            0 => String::new(),
            step => format!("; going on after step {step}"),
        }
    ));
    let events = match &args.events {
        Some(folder) => {
            let unwritable = |error| TrainFailure::Events(folder.clone(), error);
            Some(Events::create(folder).map_err(unwritable)?)
        }
        None => None,
    };
    Run::new(args, device, stop, session, file, validator, events).train()
}

fn checkpoint_file(args: &TrainArgs) -> PathBuf {
    let beside = || args.output.with_extension("checkpoint");
    args.checkpoint.clone().unwrap_or_else(beside)
}

/// The checkpoint to go on from. Checks, too, that nothing is overwritten that
/// nobody gave up, and that both files can be written.
fn open_checkpoint(args: &TrainArgs, file: &Path) -> Result<Option<Checkpoint>, Failure> {
    let mut places = Places::default();
    if places.of(file) == places.of(&args.output) {
        let text = format!(
            "--checkpoint {}: is the model file, too; give another name",
            file.display()
        );
        return Err(Failure::Usage(text));
    }
    if args.resume {
        if !file.exists() {
            return Err(TrainFailure::NoCheckpoint(file.to_owned()).into());
        }
        let checkpoint = Checkpoint::open(file).map_err(TrainFailure::from)?;
        save::check(&args.output, true)?;
        save::check(file, true)?;
        return Ok(Some(checkpoint));
    }
    save::check(&args.output, args.force)?;
    match atomic_file::check(file, args.force) {
        Err(atomic_file::Fault::Exists) => {
            Err(TrainFailure::CheckpointExists(file.to_owned()).into())
        }
        _ => save::check(file, args.force).map(|()| None),
    }
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
    let available = device.usable_bytes() + of_teacher;
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if needed > available {
        let [needed, available] = [needed, available].map(mib);
        return Err(TrainFailure::Memory { needed, available }.into());
    }
    Ok(mib(needed))
}

/// The photos to learn from. The trainer will take `needed` bytes of the device.
fn load_photos(
    args: &TrainArgs,
    settings: &Settings,
    device: &OpenDevice,
    needed: u64,
    stop: &Stop,
) -> Result<Photos, Failure> {
    let mut paths = find_images(&args.photos).map_err(TrainFailure::from)?;
    let held = match &args.validate {
        Some(folder) if folder.exists() => find_images(std::slice::from_ref(folder)),
        _ => Ok(Vec::new()),
    };
    let held = held.map_err(TrainFailure::from)?;
    let kept = Kept::new(paths.iter().chain(&held).map(PathBuf::as_path));
    kept.check("-o", &args.output)?;
    kept.check("--checkpoint", &checkpoint_file(args))?;
    let found = paths.len();
    let is_held = held_by(args);
    paths.retain(|path| !is_held(path));
    if let (Some(folder), true) = (&args.validate, paths.len() < found) {
        let folder = folder.display();
        if paths.is_empty() {
            let text = format!("--validate {folder}: holds all of the photos; give another folder");
            return Err(Failure::Usage(text));
        }
        let count = found - paths.len();
        terminal::status(&format!(
            "note: {count} of the photos are for --validate {folder}, and nothing is learnt from them"
        ));
    }
    let options = PhotoOptions {
        scale: settings.scale,
        least_side: args.patch,
        halve: !args.full_size,
        memory: match args.photo_memory {
            Some(mib) => mib.saturating_mul(1 << 20),
            None if device.uses_host_memory() => device.host_memory().saturating_sub(needed) / 2,
            None => device.host_memory() / 2,
        },
    };
    let bar = match args.json {
        true => ProgressBar::hidden(),
        false => super::progress::image_bar(paths.len()),
    };
    let loaded = Photos::load(&paths, options, &|| {
        bar.inc(1);
        stop.flow()
    });
    bar.finish_and_clear();
    if stop.is_asked() {
        let exit_code = stop.exit_code();
        return Err(TrainFailure::NotStarted { exit_code }.into());
    }
    let (photos, skipped) = loaded.map_err(TrainFailure::from)?;
    for skipped in &skipped {
        let path = skipped.path.display();
        terminal::status(&format!("note: {path}: skipped: {}", skipped.reason));
    }
    match photos.not_kept() {
        0 => {}
        count => terminal::status(&format!(
            "note: {count} images do not fit --photo-memory and are decoded again whenever they are drawn"
        )),
    }
    Ok(photos)
}

/// Whether an image among the photos is one to measure with, or what was measured
/// with it.
fn held_by(args: &TrainArgs) -> impl Fn(&Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let folder = args.validate.as_deref().and_then(real);
    let shown = args.validate.as_ref().map(|_| validate::picture_file(args));
    let shown = shown.as_deref().and_then(real);
    move |path| {
        folder.as_ref().is_some_and(|folder| {
            let path = real(path);
            path.as_ref().is_some_and(|path| path.starts_with(folder)) || path == shown
        })
    }
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
