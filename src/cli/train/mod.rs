//! `srdiff train`: trains a model on a folder of images.

mod args;
mod files;
mod report;

use super::args::Precision;
use super::failure::Failure;
use super::signals::Stop;
use super::terminal;
pub use args::TrainArgs;
use args::{FloatArg, NormArg};
use report::Reporter;
use srdiff::atomic_file;
use srdiff::diffusion::BetaSchedule;
use srdiff::exec::Backend;
use srdiff::image::{ImageError, check_writable};
use srdiff::model::{FloatType, Model, Settings};
use srdiff::ops::Norm;
use srdiff::train::checkpoint::{self, Position};
use srdiff::train::data::{CropOptions, Crops, Degradation, Feed, Images};
use srdiff::train::{Rate, Trainer, TrainerOptions, averaged, new_model};
use srdiff::upscale::{PrecisionChoice, open_backend};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Steps after each other whose gradients are not finite, after which a run gives up:
/// in f16, the first ones may be while their scale is found.
const MOST_SKIPPED: u64 = 50;
/// Bytes of decoded images that are kept.
const ROOM: u64 = 4 << 30;

pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals();
    let writable = |path: &PathBuf, force| check_writable(path, force).map_err(Failure::Output);
    writable(&args.output, args.force || args.resume)?;
    let checkpoint = args.checkpoint.clone().unwrap_or_else(|| {
        let mut name = args.output.clone().into_os_string();
        name.push(".checkpoint");
        name.into()
    });
    writable(&checkpoint, args.force || args.resume)?;

    let model = Arc::new(model(args)?);
    let settings = model.settings().clone();
    let multiple = settings.scale * settings.lr_size_multiple();
    if args.patch == 0 || !args.patch.is_multiple_of(multiple) {
        return Err(Failure::Usage(format!(
            "--patch {}: must be a multiple of {multiple} for this model",
            args.patch
        )));
    }
    let paths = files::images(&args.images)?;
    let images = Images::new(&paths, settings.scale, args.patch, ROOM);
    for note in images.take_notes() {
        terminal::status(&format!("note: {note}"));
    }
    if images.files().is_empty() {
        return Err(Failure::Usage(format!(
            "none of the {} files is an image of at least {1}x{1} pixels; give other folders or a smaller --patch",
            paths.len(),
            args.patch
        )));
    }
    let (count, pixels) = (images.files().len(), images.pixels());
    terminal::status(&format!(
        "{count} images, {:.1} megapixels",
        pixels as f64 / 1e6
    ));

    let precision = match args.precision {
        Precision::Auto | Precision::F32 => PrecisionChoice::F32,
        Precision::F16 => PrecisionChoice::F16,
        Precision::Bf16 => PrecisionChoice::Bf16,
    };
    let (selected, backend) = open_backend(&args.device, precision, &model)?;
    let options = trainer_options(args, &settings);
    let memory = Trainer::prepare(&backend, &settings, &options)?.memory();
    terminal::status(&format!(
        "{}: {}; {}; {} MiB",
        selected.device,
        selected.reason,
        backend.target().precision(),
        memory.total_bytes() >> 20
    ));
    let mut trainer = Trainer::new(&backend, &model, options)?;
    let must_match = must_match(args, &model, &backend, count);
    let position = match args.resume {
        true => checkpoint::resume(&mut trainer, &must_match, &checkpoint)?,
        false => Position {
            progress: trainer.progress(),
            batches: 0,
            seconds: 0.0,
            options: must_match,
        },
    };
    let crops = CropOptions {
        stage: args.stage.stage(),
        batch: usize::from(args.batch),
        side: args.patch,
        degradation: Degradation {
            jpeg: args.jpeg,
            noise: args.noise.map(|deviations| deviations.0),
        },
        seed: args.seed,
    };
    let crops = Crops::new(images, settings, crops).map_err(|e| Failure::Usage(e.to_string()))?;
    let run = Run {
        args,
        stop,
        checkpoint,
        model,
        trainer,
        position,
        crops: Arc::new(crops),
        reporter: Reporter::new(args),
    };
    run.train()
}

/// A run at work.
struct Run<'a> {
    args: &'a TrainArgs,
    stop: Stop,
    checkpoint: PathBuf,
    model: Arc<Model>,
    trainer: Trainer,
    position: Position,
    crops: Arc<Crops>,
    reporter: Reporter,
}

impl Run<'_> {
    fn train(mut self) -> Result<(), Failure> {
        let threads = usize::from(self.args.threads);
        let failed = |reason: String| Failure::Usage(format!("training images: {reason}"));
        let mut feed = Feed::new(self.crops.clone(), self.position.batches, threads)
            .map_err(|error| failed(error.to_string()))?;
        let rate = Rate {
            peak: self.args.rate,
            warm_up: self.args.warm_up,
            decay: self.args.decay,
        };
        let mut start = Instant::now();
        let (mut saved, mut skipped) = (self.steps(), 0);
        while self.done() < 1.0 && !self.stop.is_asked() {
            let batches = (0..self.args.accumulate).map(|_| feed.next());
            let batches = batches.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let rate = rate.at(self.steps(), self.done());
            let report = self.trainer.step(&batches, rate)?;
            skipped = if report.skipped { skipped + 1 } else { 0 };
            if skipped == MOST_SKIPPED {
                return Err(Failure::Diverged);
            }
            self.position.batches += batches.len() as u64;
            self.position.seconds += start.elapsed().as_secs_f64();
            start = Instant::now();
            for note in self.crops.images().take_notes() {
                self.reporter.note(&note);
            }
            let (step, done) = (self.steps(), self.done());
            self.reporter
                .step(step, done, rate, &report, feed.take_waited());
            if step >= saved + self.args.every {
                self.save()?;
                saved = step;
                start = Instant::now();
            }
        }
        self.save()?;
        self.write_model()?;
        self.reporter.finish();
        match self.stop.is_asked() {
            true => Err(Failure::TrainingStopped(self.stop.exit_code())),
            false => Ok(()),
        }
    }

    /// Steps so far, skipped ones too.
    fn steps(&self) -> u64 {
        let progress = self.trainer.progress();
        progress.steps + progress.skipped
    }

    /// The share of the run that is over.
    fn done(&self) -> f64 {
        match self.args.minutes {
            Some(minutes) => self.position.seconds / (60.0 * minutes),
            None => self.steps() as f64 / self.args.steps as f64,
        }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.position.progress = self.trainer.progress();
        Ok(checkpoint::save(
            &mut self.trainer,
            &self.position,
            &self.checkpoint,
        )?)
    }

    fn write_model(&mut self) -> Result<(), Failure> {
        let float_type = match self.args.float {
            FloatArg::F16 => FloatType::F16,
            FloatArg::F32 => FloatType::F32,
        };
        let training = self.description();
        let mut metadata = vec![("training", training.as_str())];
        let license = self.args.license.as_deref().or(self.model.license());
        metadata.extend(license.map(|license| ("license", license)));
        let bytes = averaged(&mut self.trainer, &self.model, float_type, &metadata)?;
        let force = self.args.force || self.args.resume;
        atomic_file::write(&self.args.output, &bytes, force).map_err(|fault| {
            Failure::Output(ImageError {
                file: self.args.output.clone(),
                problem: fault.into(),
            })
        })
    }

    /// What the model file says of its training.
    fn description(&self) -> String {
        let args = self.args;
        let before = self.model.training();
        let before = before.map_or(String::new(), |text| format!("{text}\nThen: "));
        let losses = self.reporter.losses();
        format!(
            "{before}srdiff {} train, stage {:?}: {} images ({:.1} megapixels), {} steps of {} crops of {}x{} pixels, {} minutes; learning rate {}, {:?}; averages of {}; {losses}",
            env!("CARGO_PKG_VERSION"),
            args.stage,
            self.crops.images().files().len(),
            self.crops.images().pixels() as f64 / 1e6,
            self.steps(),
            usize::from(args.batch) * usize::from(args.accumulate),
            args.patch,
            args.patch,
            (self.position.seconds / 60.0).round(),
            args.rate,
            args.decay,
            args.average,
        )
    }
}

fn model(args: &TrainArgs) -> Result<Model, Failure> {
    if let Some(path) = &args.model {
        return Ok(Model::open(path)?);
    }
    if !args.new.new {
        return Ok(Model::starter());
    }
    let new = &args.new;
    let settings = Settings {
        hidden: new.hidden,
        mults: new.mults.clone(),
        rrdb_features: new.features,
        rrdb_blocks: new.blocks,
        rrdb_growth: new.features / 2,
        scale: new.scale,
        groups: (new.groups > 0).then_some(new.groups),
        attention: None,
        up_input: false,
        has_sr_head: true,
        timesteps: 100,
        schedule: BetaSchedule::COSINE,
        res_rescale: 2.0,
        lr_up_divisor: 255.0,
        clip_input: true,
        clip_denoised: true,
    };
    new_model(&settings, args.seed)
        .map_err(|error| Failure::Usage(format!("--new: {error}; choose other sizes")))
}

fn trainer_options(args: &TrainArgs, settings: &Settings) -> TrainerOptions {
    let side = args.patch / settings.scale;
    TrainerOptions {
        norm: match args.loss {
            NormArg::L1 => Norm::L1,
            NormArg::L2 => Norm::L2,
        },
        accumulates: args.accumulate > 1,
        segments: usize::from(args.recompute),
        decay: args.weight_decay,
        max_norm: args.clip as f32,
        average: args.average as f32,
        ..TrainerOptions::new(args.stage.stage(), usize::from(args.batch), [side; 2])
    }
}

/// The options without which a resumed run would be another one.
fn must_match(args: &TrainArgs, model: &Model, backend: &Backend, images: usize) -> String {
    let precision = backend.target().precision();
    format!(
        "stage {:?}, loss {:?}, batch {}, accumulate {}, patch {}, seed {}, jpeg {:?}, noise {:?}, precision {precision}, {images} images, model {}",
        args.stage,
        args.loss,
        args.batch,
        args.accumulate,
        args.patch,
        args.seed,
        args.jpeg,
        args.noise.map(|deviations| deviations.0),
        model.checksum().unwrap_or("without checksum"),
    )
}
