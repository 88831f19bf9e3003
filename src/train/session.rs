//! A training from its first step to its last.

use super::checkpoint::{Checkpoint, CheckpointError, Rules, Saved};
use super::data::{Batches, DataError, Feed};
use super::{
    Means, OpenDevice, PreparedTrainer, RateSchedule, Stage, StepReport, Teacher, TrainError,
    Trainer, TrainerOptions,
};
use crate::exec::Backend;
use crate::graph::{Parameters, Shape};
use crate::model::Model;
use crate::model::objective::names;
use crate::ops::Norm;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How a training goes, beside its batches.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionOptions {
    pub trainer: TrainerOptions,
    pub schedule: RateSchedule,
    /// Batches of a step.
    pub accumulate: usize,
    /// Ends after so many steps.
    pub steps: Option<u64>,
    /// Ends after so long.
    pub time: Option<Duration>,
    /// Threads that make batches.
    pub workers: usize,
}

/// Why a training ends before its time.
#[derive(Debug, Error)]
pub enum SessionError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A step that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Steps so far, with this one and those that were skipped.
    pub number: u64,
    pub report: StepReport,
    pub rate: f64,
    /// How much of the training is done, up to 1.
    pub share: f64,
}

/// A training.
pub struct Session {
    model: Arc<Model>,
    trainer: Trainer,
    teacher: Option<Teacher>,
    batches: Arc<Batches>,
    feed: Feed,
    options: SessionOptions,
    rules: Rules,
    means: Means,
    measured: Option<(u64, String)>,
    started: Instant,
    /// Time of earlier runs.
    before: Duration,
}

/// A parameter of the attention's last layer, with which the trainer multiplies
/// the gate.
const GATED: &str = "denoise_fn.mid_attn.fn.fn.to_out.";
const GATE: &str = "denoise_fn.mid_attn.fn.g";

impl Session {
    /// Begins with `model`, or goes on from a checkpoint, whose model it is then.
    /// A model that is distilled has a teacher, of the batches' size.
    ///
    /// # Errors
    /// When the options do not fit the model, the checkpoint not the options, or
    /// the device fails.
    pub fn new(
        device: &OpenDevice,
        model: Arc<Model>,
        teacher: Option<Teacher>,
        batches: Batches,
        options: SessionOptions,
        resumed: Option<(&Checkpoint, &Path)>,
    ) -> Result<Self, SessionError> {
        let backend = device.backend(model.clone());
        let prepared = Trainer::prepare(&backend, model.settings(), options.trainer.clone())?;
        Self::prepared(
            &backend, prepared, model, teacher, batches, options, resumed,
        )
    }

    /// As [`new`](Self::new), with a trainer that was prepared with the same options
    /// for this `backend`, which is of `model`.
    ///
    /// # Errors
    /// When the checkpoint does not fit the options, or the device fails.
    pub fn prepared(
        backend: &Backend,
        prepared: PreparedTrainer,
        model: Arc<Model>,
        teacher: Option<Teacher>,
        batches: Batches,
        options: SessionOptions,
        resumed: Option<(&Checkpoint, &Path)>,
    ) -> Result<Self, SessionError> {
        let rules = rules(&batches, &options, teacher.as_ref());
        if let Some(teacher) = &teacher {
            teacher.check(model.settings())?;
        }
        if let Some((checkpoint, file)) = resumed {
            checkpoint.check(file, &rules)?;
        }
        let mut trainer = Trainer::load(backend, &model, prepared)?;
        let (mut before, mut means, mut measured) = (Duration::ZERO, Means::default(), None);
        if let Some((checkpoint, file)) = resumed {
            resume(&mut trainer, checkpoint, file)?;
            before = Duration::try_from_secs_f64(checkpoint.saved.seconds).unwrap_or_default();
            means = checkpoint.saved.means;
            measured.clone_from(&checkpoint.saved.measured);
        }
        let batches = Arc::new(batches);
        let first = done(&trainer) * options.accumulate as u64;
        Ok(Self {
            feed: Feed::start(&batches, first, options.workers)?,
            model,
            trainer,
            teacher,
            batches,
            options,
            rules,
            means,
            measured,
            started: Instant::now(),
            before,
        })
    }

    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// The model that it began with.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Of the losses and the norm, with those of earlier runs.
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// What was measured last, and after which step; perhaps in an earlier run.
    pub fn measured(&self) -> Option<&(u64, String)> {
        self.measured.as_ref()
    }

    /// Keeps what was measured after the last step.
    pub fn note_measured(&mut self, text: String) {
        self.measured = Some((self.done(), text));
    }

    /// Steps so far, with those that were skipped.
    pub fn done(&self) -> u64 {
        done(&self.trainer)
    }

    /// Time so far, with that of earlier runs.
    pub fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// How long steps have waited for batches, in this run.
    pub fn waited(&self) -> Duration {
        self.feed.waited()
    }

    /// How much of the training is done, from 0 to 1.
    pub fn share(&self) -> f64 {
        let of_steps = self.options.steps.map(|steps| match steps {
            0 => 1.0,
            steps => self.done() as f64 / steps as f64,
        });
        let of_time = self.options.time.map(|time| {
            let share = self.elapsed().as_secs_f64() / time.as_secs_f64();
            if share.is_nan() { 1.0 } else { share }
        });
        let share = of_steps.into_iter().chain(of_time).fold(0.0, f64::max);
        share.min(1.0)
    }

    /// Whether the last step is done.
    pub fn is_done(&self) -> bool {
        self.share() >= 1.0
    }

    /// One step.
    ///
    /// # Errors
    /// When an image that is needed again has changed, or the device fails.
    pub fn step(&mut self) -> Result<Step, SessionError> {
        let mut batches = Vec::with_capacity(self.options.accumulate);
        let first = self.done() * self.options.accumulate as u64;
        for number in (first..).take(self.options.accumulate) {
            let mut batch = self.feed.take()?;
            if let Some(teacher) = &mut self.teacher {
                let seed = self.batches.options().seed ^ number.rotate_left(32);
                teacher.teach(&mut batch, seed)?;
            }
            batches.push(batch);
        }
        let rate = self.options.schedule.at(self.done(), self.share());
        let report = self.trainer.step(&batches, rate as f32)?;
        self.means.add(&report);
        Ok(Step {
            number: self.done(),
            report,
            rate,
            share: self.share(),
        })
    }

    /// All tensors of the model, the trained ones as averages.
    ///
    /// # Errors
    /// When the device fails.
    pub fn averages(&mut self) -> Result<BTreeMap<String, Vec<f32>>, TrainError> {
        self.tensors(&names::average)
    }

    /// Everything that the next step depends on.
    ///
    /// # Errors
    /// When the device fails.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        let model = self.tensors(&str::to_owned)?;
        let mut states = Vec::new();
        for (state, shape) in self.trainer.states() {
            let values = self.trainer.read(&state)?;
            states.push((state, dimensions(shape), values));
        }
        let seconds = self.elapsed().as_secs_f64();
        let saved = Saved::new(
            self.trainer.progress(),
            self.trainer.scales(),
            seconds,
            self.means,
            self.measured.clone(),
            self.rules.clone(),
        );
        Ok(Checkpoint::new(saved, &self.model, model, states))
    }

    /// All tensors of the model; those that are trained are read from the states
    /// that `state` names.
    fn tensors(
        &mut self,
        state: &dyn Fn(&str) -> String,
    ) -> Result<BTreeMap<String, Vec<f32>>, TrainError> {
        let weights = self.model.weights();
        let mut tensors = BTreeMap::new();
        for name in weights.names() {
            let shape = weights.shape(name).unwrap_or_default();
            let shape = Shape::vector(shape.iter().product());
            // The gate is a part of what the trainer has, so it is 1 from then on.
            let gates = self.options.trainer.stage.trains_denoiser()
                && (name == GATE || name.starts_with(GATED));
            let values = match gates && name == GATE {
                true => vec![1.0],
                false if gates => weights.parameter(name, shape)?.into_owned(),
                false => match weights.tensor(name) {
                    Ok(tensor) => tensor.values.into_owned(),
                    Err(_) => continue,
                },
            };
            tensors.insert(name.to_owned(), values);
        }
        for (name, _) in self.trainer.parameters().to_vec() {
            let values = self.trainer.read(&state(&name))?;
            tensors.insert(name, values);
        }
        Ok(tensors)
    }
}

fn done(trainer: &Trainer) -> u64 {
    let progress = trainer.progress();
    progress.steps + progress.skipped
}

fn resume(trainer: &mut Trainer, checkpoint: &Checkpoint, file: &Path) -> Result<(), SessionError> {
    for (state, shape) in trainer.states() {
        let values = checkpoint.state(&state, &dimensions(shape));
        let values = values.ok_or_else(|| Checkpoint::wrong(file, &state))?;
        trainer.write_state(&state, values)?;
    }
    let (saved, progress) = (&checkpoint.saved, checkpoint.saved.progress());
    // Gradients are scaled in f16 alone, which may not be what it was saved with.
    let scaled = saved.scales.unwrap_or(saved.scale != 1.0);
    trainer.resume(match scaled && trainer.scales() {
        true => progress,
        false => progress.with_scale_of(trainer.progress()),
    });
    Ok(())
}

fn dimensions(shape: Shape) -> Vec<usize> {
    vec![shape.n, shape.c, shape.h, shape.w]
}

fn rules(batches: &Batches, options: &SessionOptions, teacher: Option<&Teacher>) -> Rules {
    let of_batches = batches.options();
    let photos = batches.photos();
    let degradation = &of_batches.degradation;
    Rules {
        stage: stage_name(of_batches.stage).to_owned(),
        batch: of_batches.batch,
        accumulate: options.accumulate,
        patch: of_batches.lr_side * photos.options().scale,
        seed: of_batches.seed,
        jpeg: (degradation.jpeg.as_ref()).map(|range| (*range.start(), *range.end())),
        noise: (degradation.noise.as_ref()).map(|range| (*range.start(), *range.end())),
        drawings: of_batches.drawings,
        halve: photos.options().halve,
        images: photos.len(),
        fingerprint: photos.fingerprint(),
        contents: Some(photos.contents()),
        student: teacher.map(|teacher| teacher.distillation().student.to_string()),
        teacher: teacher.map(|teacher| {
            let process = &teacher.distillation().teacher;
            format!("{process}, {}", teacher.checksum())
        }),
        loss: match (of_batches.stage, options.trainer.norm) {
            (Stage::Encoder, _) => None,
            (_, Norm::L1) => Some("l1".to_owned()),
            (_, Norm::L2) => Some("l2".to_owned()),
        },
    }
}

/// The name of a stage.
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Encoder => "encoder",
        Stage::Denoiser => "denoiser",
        Stage::Joint => "joint",
        Stage::Distill => "distill",
    }
}
