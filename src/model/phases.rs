//! The phases of an upscale as graphs.
//!
//! | phase | runs | reads | writes |
//! |---|---|---|---|
//! | `model` | once, when loaded | sinusoids | the time tables |
//! | `image` | once per image | LR image | enlargement, features |
//! | `condition` | once per image | features, enlargement | conditioning |
//! | `start` | once per sample | | x_T |
//! | `predict` | once per step | x_t, conditioning, time tables | the estimate of x_0 |
//! | `update` | once per step | x_t, the estimates of x_0 | x_{t-1} |
//! | `finish` | once per sample | x_0, enlargement | SR image |
//!
//! Between `predict` and `update` the estimate of x_0 is complete, and work on
//! the whole image, such as blending tiles, has its place.

use super::layers::{self, To};
use super::{Settings, encoder, time, unet};
use crate::graph::{Element, Graph, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{
    Conv2d, CountNonFinite, EstimateX0, Noise, NoiseSource, Op, Padding, Pointwise, Reconstruct,
    SamplerUpdate, UpsampleBicubic,
};

/// Names of the phases, their inputs and outputs, and the values that keep
/// their memory from phase to phase.
pub mod names {
    pub const MODEL: &str = "model";
    pub const IMAGE: &str = "image";
    pub const CONDITION: &str = "condition";
    pub const START: &str = "start";
    pub const PREDICT: &str = "predict";
    pub const UPDATE: &str = "update";
    pub const FINISH: &str = "finish";

    /// Input of `model`: sinusoidal embeddings `[timesteps, hidden]`.
    pub const TIME: &str = "time.sinusoids";
    /// Input of `image`: the LR image `[n, 3, h, w]` in [0, 1].
    pub const LR: &str = "lr";
    /// State: bicubic enlargement `[n, 3, s*h, s*w]` in [-1, 1].
    pub const UP: &str = "io.up";
    /// State: the encoder's features `[n, features * maps, h, w]`: all that the
    /// conditioning is made from, in a fifth of its memory.
    pub const FEATURES: &str = "features";
    /// State: the addend of the U-Net's first level `[n, hidden, s*h, s*w]`.
    pub const CONDITIONING: &str = "conditioning";
    /// State: x_t `[n, 3, s*h, s*w]`.
    pub const X: &str = "x";
    /// State: the estimate of x_0, of x_t's shape.
    pub const X0: &str = "x0";
    /// State: the estimate of the step before.
    pub const X0_PREVIOUS: &str = "x0.previous";
    /// Input of `update` when noise is replayed: z, of x_t's shape.
    pub const Z: &str = "z";
    /// Output of `finish`: the result in about [-1, 1], not clamped.
    pub const SR: &str = "sr";
    /// Output of `finish`: the number of non-finite elements in each row of the
    /// result, `[n, 1, s*h, 1]`.
    pub const NON_FINITE: &str = "sr.non_finite";
}

/// Sizes and variants of the graphs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseOptions {
    /// Number of samples or tiles that run together.
    pub batch: usize,
    /// LR height; see [`Settings::lr_size_multiple`].
    pub height: usize,
    /// LR width.
    pub width: usize,
    pub noise: NoiseSource,
    /// Whether to add the encoder's own SR head (`encoder.sr`).
    pub sr_head: bool,
}

/// Builds the graphs of all phases, in the order of the table above.
///
/// # Errors
/// When the sizes do not fit the model: LR sizes must be multiples of
/// [`Settings::lr_size_multiple`].
pub fn build(settings: &Settings, options: &PhaseOptions) -> Result<Vec<Graph>, GraphError> {
    Ok(vec![
        model(settings)?,
        image(settings, options)?,
        condition(settings, options)?,
        start(settings, options)?,
        predict(settings, options)?,
        update(settings, options)?,
        finish(settings, options)?,
    ])
}

fn hr_shape(settings: &Settings, options: &PhaseOptions, channels: usize) -> Shape {
    let (height, width) = (options.height, options.width);
    let s = settings.scale;
    Shape::new(options.batch, channels, height * s, width * s)
}

fn lr_shape(options: &PhaseOptions) -> Shape {
    Shape::new(options.batch, 3, options.height, options.width)
}

fn state(
    b: &mut GraphBuilder,
    name: &str,
    shape: Shape,
    element: Element,
) -> Result<ValueId, GraphError> {
    b.value(name, shape, Role::State, element)
}

fn model(settings: &Settings) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::MODEL);
    time::build(&mut b, settings, &unet::resnet_blocks(settings))?;
    Ok(b.build())
}

fn image(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::IMAGE);
    let lr = b.value(names::LR, lr_shape(options), Role::Input, Element::F32)?;

    let signed = b.value(
        "lr.signed",
        lr_shape(options),
        Role::Temporary,
        Element::F32,
    )?;
    let to_signed = Pointwise::affine(settings.up_factor() as f32, -1.0);
    layers::pointwise(&mut b, to_signed, &[lr], To::Value(signed))?;
    let up_shape = hr_shape(settings, options, 3);
    let up = state(&mut b, names::UP, up_shape, Element::F32)?;
    let bicubic = Op::UpsampleBicubic(UpsampleBicubic {
        factor: settings.scale,
    });
    b.push_into(&[up], bicubic, &[signed])?;

    let last = encoder::build(&mut b, settings, lr)?;
    if options.sr_head {
        encoder::build_sr_head(&mut b, settings, last)?;
    }
    Ok(b.build())
}

fn condition(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::CONDITION);
    let maps = encoder::features(&mut b, settings, lr_shape(options))?;
    let (hidden, s) = (settings.hidden, settings.scale);
    let shape = hr_shape(settings, options, hidden);
    let cond = state(&mut b, names::CONDITIONING, shape, Element::Float)?;
    let layer = "denoise_fn.cond_proj";
    if settings.up_input {
        let up = state(
            &mut b,
            names::UP,
            hr_shape(settings, options, 3),
            Element::F32,
        )?;
        let to = To::New("unet.cond");
        let projected = layers::conv_transpose2d(&mut b, layer, hidden, s, maps, to)?;
        let conv = Conv2d::new(3, Padding::Reflect);
        let to = To::New("unet.up_proj");
        let up = layers::conv2d(&mut b, "denoise_fn.up_proj.1", hidden, conv, up, to)?;
        let add = Pointwise::add(1.0, 1.0);
        layers::pointwise(&mut b, add, &[up, projected], To::Value(cond))?;
    } else {
        layers::conv_transpose2d(&mut b, layer, hidden, s, maps, To::Value(cond))?;
    }
    Ok(b.build())
}

fn start(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::START);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::F32)?;
    b.push_into(&[x], Op::Noise(Noise { shape }), &[])?;
    Ok(b.build())
}

fn predict(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::PREDICT);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::F32)?;
    let cond_shape = shape.with_channels(settings.hidden);
    let cond = state(&mut b, names::CONDITIONING, cond_shape, Element::Float)?;
    let eps = unet::build(&mut b, settings, x, cond)?;
    let x0 = state(&mut b, names::X0, shape, Element::F32)?;
    b.push_into(&[x0], Op::EstimateX0(EstimateX0 {}), &[x, eps])?;
    Ok(b.build())
}

fn update(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::UPDATE);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::F32)?;
    let x0 = state(&mut b, names::X0, shape, Element::F32)?;
    let previous = state(&mut b, names::X0_PREVIOUS, shape, Element::F32)?;
    let mut operands = vec![x, x0, previous];
    if options.noise == NoiseSource::Replayed {
        operands.push(b.value(names::Z, shape, Role::Input, Element::F32)?);
    }
    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: options.noise,
    });
    b.push_into(&[x, previous], update, &operands)?;
    Ok(b.build())
}

fn finish(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::FINISH);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::F32)?;
    let up = state(&mut b, names::UP, shape, Element::F32)?;
    let sr = b.value(names::SR, shape, Role::Output, Element::F32)?;
    let reconstruct = Op::Reconstruct(Reconstruct {
        res_rescale: settings.res_rescale as f32,
    });
    b.push_into(&[sr], reconstruct, &[x, up])?;
    let rows = Shape::new(shape.n, 1, shape.h, 1);
    let count = b.value(names::NON_FINITE, rows, Role::Output, Element::F32)?;
    b.push_into(&[count], Op::CountNonFinite(CountNonFinite {}), &[sr])?;
    Ok(b.build())
}
