//! What training computes, as graphs: the losses of SRDiff (section 3.2), their
//! gradients, and the optimizer's step.
//!
//! | phase | runs | reads | writes |
//! |---|---|---|---|
//! | `gradient` | for the first batch of a step | a batch | losses, gradients |
//! | `accumulate` | for its other batches | a batch | losses; adds to gradients |
//! | `norms` | once per step | gradients | their squared norms |
//! | `adam` | once per step | gradients | parameters, moments, averages |
//!
//! After `adam`, [`PACK`](crate::plan::PACK) hands the new parameters to the
//! kernels.

use super::phases::{self, Image, PhaseOptions};
use super::{Settings, time, unet};
use crate::graph::{
    Differentiation, Element, Gradients, Graph, GraphBuilder, GraphError, Role, Shape, ValueId,
    differentiate, gradient_name,
};
use crate::ops::{Adam, AdamStep, Loss, Norm, Op, SquaredNorms};

/// Which parameters are trained, and on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The encoder with its SR head, on the L1 difference between that head's
    /// image and HR.
    Encoder,
    /// The noise predictor, on its noise; the encoder stays as it is.
    Denoiser,
    /// Both, on the sum of both losses.
    Joint,
    /// The noise predictor of a model with fewer steps, on where the steps of
    /// another lead; the encoder stays as it is.
    Distill,
}

impl Stage {
    pub fn trains_encoder(self) -> bool {
        matches!(self, Self::Encoder | Self::Joint)
    }

    pub fn trains_denoiser(self) -> bool {
        self != Self::Encoder
    }

    /// Whether a parameter is trained.
    pub fn trains(self, parameter: &str) -> bool {
        match parameter.starts_with("rrdb.") {
            true => self.trains_encoder(),
            false => self.trains_denoiser(),
        }
    }
}

/// Names of the phases, and of what the host writes and reads.
pub mod names {
    pub use crate::model::phases::names::{LR, TIME};

    /// Phase: losses and gradients of a step's first batch.
    pub const GRADIENT: &str = "gradient";
    /// Phase: those of a further batch, added.
    pub const ACCUMULATE: &str = "accumulate";
    /// Phase: the gradients' squared norms.
    pub const NORMS: &str = "norms";
    /// Phase: new parameters, moments and averages.
    pub const ADAM: &str = "adam";

    /// Input: HR images `[n, 3, s*h, s*w]` in [-1, 1], where the encoder is trained.
    pub const HR: &str = "hr";
    /// Input: x_t `[n, 3, s*h, s*w]`, where the noise predictor is trained.
    pub const X: &str = "x_t";
    /// Input: the noise in it, of the same shape.
    pub const EPS: &str = "eps";
    /// Input `[1, 1, 1, 1]`: what gradients are multiplied with.
    pub const SCALE: &str = "loss.scale";
    /// Output `[1, 1, 1, 1]`, where the noise predictor is trained.
    pub const DENOISER_LOSS: &str = "loss.denoiser";
    /// Output `[1, 1, 1, 1]`, where the encoder is trained.
    pub const ENCODER_LOSS: &str = "loss.encoder";
    /// Output `[1, 1, 1, parameters]`: the squared norm of each gradient.
    pub const SQUARED_NORMS: &str = "gradient.squared_norms";
    /// Input: an [`AdamStep`](crate::ops::AdamStep).
    pub const STEP: &str = "adam.step";

    /// State: Adam's mean of a parameter's gradients, of its shape.
    pub fn m(parameter: &str) -> String {
        format!("adam.m.{parameter}")
    }

    /// State: Adam's mean of their squares.
    pub fn v(parameter: &str) -> String {
        format!("adam.v.{parameter}")
    }

    /// State: the moving average of the parameter.
    pub fn average(parameter: &str) -> String {
        format!("average.{parameter}")
    }
}

/// Sizes and variants of the graphs.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectiveOptions {
    pub stage: Stage,
    /// Of the noise; the encoder's loss is always L1.
    pub norm: Norm,
    /// Images of a batch, at most [`MAX_BATCH`](crate::ops::MAX_BATCH).
    pub batch: usize,
    /// Of the LR images; see [`Settings::lr_size_multiple`].
    pub height: usize,
    pub width: usize,
    /// Whether a step may have several batches.
    pub accumulates: bool,
    /// See [`Differentiation::segments`].
    pub segments: usize,
    pub adam: Adam,
}

/// The graphs of training, and the parameters that they train.
pub struct Objective {
    pub graphs: Vec<Graph>,
    /// In the order of [`names::SQUARED_NORMS`].
    pub parameters: Vec<(String, Shape)>,
}

/// Builds the graphs of the table above.
///
/// # Errors
/// When the sizes do not fit the model, or the encoder of a model without an SR
/// head is to be trained.
pub fn build(settings: &Settings, options: &ObjectiveOptions) -> Result<Objective, GraphError> {
    let (gradient, trained) = losses(settings, options, Gradients::New)?;
    let parameters: Vec<(String, Shape)> = trained
        .into_iter()
        .filter_map(|name| {
            let id = gradient.find(&name)?;
            Some((name, gradient.value(id).shape))
        })
        .collect();
    let mut graphs = vec![gradient];
    if options.accumulates {
        graphs.push(losses(settings, options, Gradients::Added)?.0);
    }
    graphs.push(norms(&parameters)?);
    graphs.push(adam(&parameters, &options.adam)?);
    Ok(Objective { graphs, parameters })
}

/// The losses and the gradients of the parameters that are trained.
fn losses(
    settings: &Settings,
    options: &ObjectiveOptions,
    gradients: Gradients,
) -> Result<(Graph, Vec<String>), GraphError> {
    let name = match gradients {
        Gradients::New => names::GRADIENT,
        Gradients::Added => names::ACCUMULATE,
    };
    let mut builder = GraphBuilder::new(name);
    let b = &mut builder;
    let stage = options.stage;
    let image = PhaseOptions {
        batch: options.batch,
        sr_head: stage.trains_encoder(),
        ..PhaseOptions::new([options.width, options.height])
    };
    let image = Image::new(settings, &image);
    image.image(b)?;
    let scale = b.value(names::SCALE, Shape::vector(1), Role::Input, Element::F32)?;
    let mut seeds = Vec::new();
    if stage.trains_encoder() {
        let hr = b.value(names::HR, image.hr, Role::Input, Element::F32)?;
        let sr = b.graph().find(phases::ENCODER_SR);
        let sr = sr.expect("the encoder has a head");
        let gradient = loss(b, Norm::L1, names::ENCODER_LOSS, [sr, hr, scale])?;
        seeds.push((sr, gradient));
    }
    if stage.trains_denoiser() {
        image.condition(b)?;
        // A table with a row for each sample: the rows of its timestep.
        let rows = Settings {
            timesteps: options.batch,
            ..settings.clone()
        };
        time::build(b, &rows, &unet::resnet_blocks(&rows))?;
        let x = b.value(names::X, image.hr, Role::Input, Element::F32)?;
        let target = b.value(names::EPS, image.hr, Role::Input, Element::F32)?;
        let conditioning = image.conditioning(b)?;
        let eps = unet::build(b, &rows, x, conditioning)?;
        let name = names::DENOISER_LOSS;
        let gradient = loss(b, options.norm, name, [eps, target, scale])?;
        seeds.push((eps, gradient));
    }
    let trains = |parameter: &str| stage.trains(parameter);
    let differentiation = Differentiation {
        gradients,
        segments: options.segments,
    };
    let trained = differentiate(b, &seeds, &trains, differentiation)?;
    Ok((builder.build(), trained))
}

/// Adds a loss, and returns the gradient of the prediction.
fn loss(
    b: &mut GraphBuilder,
    norm: Norm,
    name: &str,
    operands: [ValueId; 3],
) -> Result<ValueId, GraphError> {
    let loss = b.value(name, Shape::vector(1), Role::Output, Element::F32)?;
    let shape = b.shape(operands[0]);
    let gradient = format!("{name}.gradient");
    let gradient = b.value(&gradient, shape, Role::Temporary, Element::F32)?;
    b.push_into(&[gradient, loss], Op::Loss(Loss { norm }), &operands)?;
    Ok(gradient)
}

fn tensor(
    b: &mut GraphBuilder,
    name: &str,
    shape: Shape,
    role: Role,
) -> Result<ValueId, GraphError> {
    b.value(name, shape, role, Element::Tensor)
}

fn norms(parameters: &[(String, Shape)]) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::NORMS);
    let gradients = parameters
        .iter()
        .map(|(name, shape)| tensor(&mut b, &gradient_name(name), *shape, Role::State))
        .collect::<Result<Vec<_>, _>>()?;
    let shape = Shape::new(1, 1, 1, gradients.len());
    let norms = b.value(names::SQUARED_NORMS, shape, Role::Output, Element::F32)?;
    b.push_into(&[norms], Op::SquaredNorms(SquaredNorms {}), &gradients)?;
    Ok(b.build())
}

fn adam(parameters: &[(String, Shape)], adam: &Adam) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::ADAM);
    let step = tensor(&mut b, names::STEP, AdamStep::SHAPE, Role::Input)?;
    for (name, shape) in parameters {
        let mut state = |name: &str| tensor(&mut b, name, *shape, Role::State);
        let updated = [
            state(name)?,
            state(&names::m(name))?,
            state(&names::v(name))?,
            state(&names::average(name))?,
        ];
        let [parameter, m, v, average] = updated;
        let gradient = state(&gradient_name(name))?;
        let operands = [parameter, m, v, average, gradient, step];
        b.push_into(&updated, Op::Adam(adam.clone()), &operands)?;
    }
    Ok(b.build())
}
