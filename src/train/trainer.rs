//! A model's objective and optimizer on a device.

mod error;
mod options;
mod progress;

pub use error::TrainError;
pub use options::TrainerOptions;
pub use progress::Progress;

use super::Batch;
use crate::exec::{
    Backend, ExecError, Executor, PrepareError, PrepareOptions, Prepared, StepRecord,
};
use crate::graph::{Graph, Parameters, Role, Shape, differentiated};
use crate::model::objective::{self, Objective, ObjectiveOptions, names};
use crate::model::time::sinusoidal_embedding;
use crate::model::{Model, Settings};
use crate::ops::{AdamStep, MAX_BATCH};
use crate::plan::{MemoryReport, PACK, PlanError, Precision};

/// Means over the batches of a step; of those that the stage has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    pub denoiser: Option<f64>,
    pub encoder: Option<f64>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    pub losses: Losses,
    /// Of all gradients together, before it was limited.
    pub norm: f64,
    /// Whether the parameters were left as they are, a gradient not being finite.
    pub skipped: bool,
}

/// Trains a model's parameters, which it holds on the device.
pub struct Trainer {
    settings: Settings,
    options: TrainerOptions,
    objective: Objective,
    executor: Box<dyn Executor>,
    /// Rows of the embedding of every timestep.
    embedding: Vec<f32>,
    progress: Progress,
    /// Whether the gradients' scale follows their size.
    scales: bool,
}

/// A trainer's program, which takes no memory of the device yet.
pub struct PreparedTrainer {
    options: TrainerOptions,
    objective: Objective,
    prepared: Prepared,
}

impl PreparedTrainer {
    /// The memory that the trainer will take.
    pub fn memory(&self) -> MemoryReport {
        self.prepared.memory()
    }
}

impl Trainer {
    /// Plans a trainer's program for a device.
    ///
    /// # Errors
    /// When the options do not fit the model, or the device has no kernel for one
    /// of its gradients.
    pub fn prepare(
        backend: &Backend,
        settings: &Settings,
        options: TrainerOptions,
    ) -> Result<PreparedTrainer, TrainError> {
        let objective = objective(settings, &options)?;
        let prepared = backend.target().prepare(&objective.graphs, &TRAINABLE);
        Ok(PreparedTrainer {
            prepared: prepared.map_err(|error| untrainable(&objective.graphs, error))?,
            options,
            objective,
        })
    }

    /// Starts with the parameters of `model`, which `backend` is of.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare), or when the device fails.
    pub fn new(
        backend: &Backend,
        model: &Model,
        options: TrainerOptions,
    ) -> Result<Self, TrainError> {
        let prepared = Self::prepare(backend, model.settings(), options)?;
        Self::load(backend, model, prepared)
    }

    /// Starts what was prepared for `backend`, which is of `model`.
    ///
    /// # Errors
    /// When the device fails, or `model` is not the one that it was prepared for.
    pub fn load(
        backend: &Backend,
        model: &Model,
        prepared: PreparedTrainer,
    ) -> Result<Self, TrainError> {
        let PreparedTrainer {
            options,
            objective,
            prepared,
        } = prepared;
        let settings = model.settings().clone();
        let mut executor = backend.load_prepared(prepared)?;
        let scales = backend.target().precision() == Precision::F16;
        executor.set_records(&[StepRecord::with_rows_in_order()])?;
        for (name, shape) in &objective.parameters {
            let tensor = model.parameter(name, *shape)?;
            executor.write(&names::average(name), &tensor)?;
        }
        Ok(Self {
            embedding: sinusoidal_embedding(settings.timesteps, settings.hidden),
            settings,
            options,
            objective,
            executor,
            progress: Progress {
                scale: if scales { Progress::F16_SCALE } else { 1.0 },
                ..Progress::START
            },
            scales,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn options(&self) -> &TrainerOptions {
        &self.options
    }

    /// Names and shapes of the parameters that are trained.
    pub fn parameters(&self) -> &[(String, Shape)] {
        &self.objective.parameters
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Whether the gradients' scale follows their size, as in f16.
    pub(super) fn scales(&self) -> bool {
        self.scales
    }

    /// Goes on from where another trainer was; its tensors are to be
    /// [written](Self::write_state), too.
    pub fn resume(&mut self, progress: Progress) {
        self.progress = progress;
    }

    /// What the optimizer knows of the trained parameters, with their shapes.
    pub fn states(&self) -> Vec<(String, Shape)> {
        let parameters = self.objective.parameters.iter();
        let states = parameters.flat_map(|(name, shape)| {
            let names = [names::m(name), names::v(name), names::average(name)];
            names.map(|name| (name, *shape))
        });
        states.collect()
    }

    pub fn memory(&self) -> MemoryReport {
        self.executor.memory()
    }

    /// One step of the optimizer with a learning rate, on the mean of the losses
    /// of these batches.
    ///
    /// # Errors
    /// When a batch is of another size than the options say, there are several
    /// without `accumulates`, or the device fails.
    pub fn step(&mut self, batches: &[Batch], rate: f32) -> Result<StepReport, TrainError> {
        let mut losses = Losses::default();
        let most = if self.options.accumulates {
            usize::MAX
        } else {
            1
        };
        if !(1..=most).contains(&batches.len()) {
            let count = batches.len();
            return Err(TrainError::Options(format!("a step of {count} batches")));
        }
        for (at, batch) in batches.iter().enumerate() {
            self.write_batch(batch)?;
            let phase = if at == 0 {
                names::GRADIENT
            } else {
                names::ACCUMULATE
            };
            self.executor.run(phase, 0)?;
            let mut add = |total: &mut Option<f64>, name: &str| -> Result<(), ExecError> {
                let loss = self.executor.read(name)?;
                *total = Some(total.unwrap_or(0.0) + f64::from(loss[0]) / batches.len() as f64);
                Ok(())
            };
            if self.options.stage.trains_denoiser() {
                add(&mut losses.denoiser, names::DENOISER_LOSS)?;
            }
            if self.options.stage.trains_encoder() {
                add(&mut losses.encoder, names::ENCODER_LOSS)?;
            }
        }
        self.executor.run(names::NORMS, 0)?;
        let squares = self.executor.read(names::SQUARED_NORMS)?;
        let scale = f64::from(self.progress.scale) * batches.len() as f64;
        let norm = squares.iter().map(|&v| f64::from(v)).sum::<f64>().sqrt() / scale;
        let skipped = !norm.is_finite();
        if !skipped {
            self.update(rate, norm, scale)?;
        }
        self.progress.count(skipped, self.scales);
        Ok(StepReport {
            losses,
            norm,
            skipped,
        })
    }

    fn write_batch(&mut self, batch: &Batch) -> Result<(), TrainError> {
        let (stage, hidden) = (self.options.stage, self.settings.hidden);
        self.write(names::LR, &batch.lr)?;
        self.write(names::SCALE, &[self.progress.scale])?;
        if stage.trains_encoder() {
            self.write(names::HR, &batch.hr)?;
        }
        if stage.trains_denoiser() {
            let denoiser = &batch.denoiser;
            self.write(names::X, &denoiser.x_t)?;
            self.write(names::EPS, &denoiser.eps)?;
            let mut rows = Vec::new();
            for &t in &denoiser.timesteps {
                let row = self.embedding.get(t * hidden..(t + 1) * hidden);
                let wrong = || TrainError::Options(format!("timestep {t} of a batch"));
                rows.extend_from_slice(row.ok_or_else(wrong)?);
            }
            self.write(names::TIME, &rows)?;
        }
        Ok(())
    }

    fn write(&mut self, name: &str, elements: &[f32]) -> Result<(), TrainError> {
        let (given, shape) = (elements.len(), self.executor.shape(name));
        if shape.is_some_and(|shape| shape.elements() != given) {
            let text = format!("{given} elements for '{name}', which has others");
            return Err(TrainError::Options(text));
        }
        Ok(self.executor.write(name, elements)?)
    }

    /// Writes one of the [`states`](Self::states), as when a checkpoint is resumed.
    ///
    /// # Errors
    /// When there is no such state, it has another size, or the device fails.
    pub fn write_state(&mut self, name: &str, elements: &[f32]) -> Result<(), TrainError> {
        self.write(name, elements)
    }

    fn update(&mut self, rate: f32, norm: f64, scale: f64) -> Result<(), TrainError> {
        let TrainerOptions {
            adam,
            decay,
            decoupled,
            max_norm,
            average,
            ..
        } = &self.options;
        let t = (self.progress.steps + 1) as f64;
        // As torch.nn.utils.clip_grad_norm_ does.
        let clip = (f64::from(*max_norm) / (norm + 1e-6)).min(1.0);
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(t)) as f32;
        let ramp = (t / (t + 9.0)) as f32;
        let step = AdamStep {
            rate,
            gradient_scale: (clip / scale) as f32,
            l2: if *decoupled { 0.0 } else { *decay },
            decay: if *decoupled { *decay } else { 0.0 },
            correction1: correction(adam.beta1),
            correction2: correction(adam.beta2),
            average: average.min(ramp),
        };
        self.executor.write(names::STEP, &step.elements())?;
        self.executor.run(names::ADAM, 0)?;
        Ok(self.executor.run(PACK, 0)?)
    }

    /// A parameter, or what belongs to it: its gradient
    /// ([`gradient_name`](crate::graph::gradient_name)), its moments and average
    /// ([`names`]).
    ///
    /// # Errors
    /// When there is no such tensor, or the device fails.
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>, TrainError> {
        Ok(self.executor.read(name)?)
    }
}

const TRAINABLE: PrepareOptions = PrepareOptions {
    fuse: true,
    trainable: true,
};

/// Names the layer of a model that this device upscales with and cannot train.
fn untrainable(graphs: &[Graph], error: PrepareError) -> TrainError {
    match error {
        PrepareError::Plan(PlanError::NoKernel {
            op, value, reason, ..
        }) => TrainError::NoKernel {
            layer: layer(graphs, &value).unwrap_or(value),
            reason: format!("{op} {reason}"),
        },
        error => error.into(),
    }
}

/// The layer that reads what a value is the gradient of.
fn layer(graphs: &[Graph], gradient: &str) -> Option<String> {
    let value = differentiated(gradient)?;
    let (graph, id) = (graphs.iter()).find_map(|graph| Some((graph, graph.find(value)?)))?;
    let mut reading = graph.nodes.iter().filter(|node| node.inputs[0] == id);
    let parameter = reading.find_map(|node| {
        let mut others = node.inputs.iter().map(|&id| graph.value(id));
        others.find(|value| value.role == Role::Parameter)
    });
    let name = parameter.map_or(value, |parameter| &parameter.name);
    Some(name.strip_suffix(".weight").unwrap_or(name).to_owned())
}

fn objective(settings: &Settings, options: &TrainerOptions) -> Result<Objective, TrainError> {
    let wrong = |text: String| Err(TrainError::Options(text));
    let (batch, [height, width]) = (options.batch, options.lr_size);
    if !(1..=MAX_BATCH).contains(&batch) {
        return wrong(format!("a batch of {batch} images; give 1 to {MAX_BATCH}"));
    }
    if options.stage.trains_encoder() && !settings.has_sr_head {
        return wrong("the model's encoder has no SR head to be trained with".to_owned());
    }
    let multiple = settings.lr_size_multiple();
    if height % multiple != 0 || width % multiple != 0 || height * width == 0 {
        return wrong(format!(
            "LR images of {height}x{width}; sides must be multiples of {multiple}"
        ));
    }
    Ok(objective::build(
        settings,
        &ObjectiveOptions {
            stage: options.stage,
            norm: options.norm,
            batch,
            height,
            width,
            accumulates: options.accumulates,
            segments: options.segments,
            adam: options.adam.clone(),
        },
    )?)
}
