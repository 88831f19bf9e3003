//! The phases of an upscale as graphs.
//!
//! | phase | runs | reads | writes |
//! |---|---|---|---|
//! | `model` | once, when loaded | sinusoids | the time tables |
//! | `image` | once per image | LR pixels | enlargement, conditioning |
//! | `start` | once per sample | | x_T |
//! | `step` | T times | x_t, conditioning, time tables | x_{t-1} |
//! | `finish` | once per sample | x_0, enlargement | SR pixels |

use super::{Settings, encoder, time, unet};
use crate::graph::{Element, Graph, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{
    Epilogue, ImagePack, ImageUnpack, Noise, NoiseSource, Op, Reconstruct, SamplerUpdate,
    UpsampleBicubic,
};

/// Names of the phases, and of the values that keep their memory.
pub mod names {
    /// Phase, once per model: the time tables.
    pub const MODEL: &str = "model";
    /// Phase, once per image: enlargement, encoder, conditioning.
    pub const IMAGE: &str = "image";
    /// Phase, once per sample: x_T.
    pub const START: &str = "start";
    /// Phase, once per step: U-Net and update.
    pub const STEP: &str = "step";
    /// Phase, once per sample: the picture.
    pub const FINISH: &str = "finish";

    /// Input of `model`: sinusoidal embeddings `[timesteps, hidden]`.
    pub const TIME: &str = "time.sinusoids";
    /// Input of `image`: LR pixels `[n, 1, h, w]`.
    pub const LR: &str = "lr";
    /// State: bicubic enlargement `[n, 3, s*h, s*w]` in [-1, 1].
    pub const UP: &str = "io.up";
    /// State: what is added to the U-Net's first level `[n, hidden, s*h, s*w]`.
    pub const CONDITIONING: &str = "conditioning";
    /// State: x_t `[n, 3, s*h, s*w]`.
    pub const X: &str = "x";
    /// State: the last estimate of x_0, of x_t's shape.
    pub const X0: &str = "x0";
    /// Input of `step` when noise is replayed: z, of x_t's shape.
    pub const Z: &str = "z";
    /// Output of `finish`: the result in about [-1, 1], not clamped.
    pub const SR: &str = "sr";
    /// Output of `finish`: SR pixels `[n, 1, s*h, s*w]`.
    pub const PICTURE: &str = "picture";
}

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseOptions {
    /// Samples or tiles at once.
    pub batch: usize,
    /// LR height; see [`Settings::lr_size_multiple`].
    pub height: usize,
    /// LR width.
    pub width: usize,
    /// Whether noise is made on the device or replayed.
    pub noise: NoiseSource,
    /// Whether the encoder's own SR head is computed too (`encoder.sr`).
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
        start(settings, options)?,
        step(settings, options)?,
        finish(settings, options)?,
    ])
}

/// Turns temporaries into outputs, so that they can be read after their phase.
/// A view is kept by keeping the whole that it is part of.
pub fn keep(graphs: &mut [Graph], names: &dyn Fn(&str) -> bool) {
    for graph in graphs {
        let kept: Vec<ValueId> = (0..graph.values.len())
            .map(ValueId)
            .filter(|&id| names(&graph.value(id).name))
            .collect();
        for id in kept {
            let root = graph.root(id);
            for index in 0..graph.values.len() {
                if graph.root(ValueId(index)) == root && graph.values[index].role == Role::Temporary
                {
                    graph.values[index].role = Role::Output;
                }
            }
        }
    }
}

fn hr_shape(settings: &Settings, options: &PhaseOptions, channels: usize) -> Shape {
    let s = settings.scale;
    Shape::new(
        options.batch,
        channels,
        options.height * s,
        options.width * s,
    )
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
    let shape = Shape::new(options.batch, 1, options.height, options.width);
    let pixels = b.value(names::LR, shape, Role::Input, Element::Pixel)?;

    let unpack = |scale: f64, shift: f32| {
        Op::ImageUnpack(ImageUnpack {
            scale: scale as f32,
            shift,
        })
    };
    let signed = b.push(
        "lr.signed",
        unpack(2.0 / settings.lr_up_divisor, -1.0),
        &[pixels],
    )?;
    let up = state(
        &mut b,
        names::UP,
        hr_shape(settings, options, 3),
        Element::Full,
    )?;
    let bicubic = Op::UpsampleBicubic(UpsampleBicubic {
        factor: settings.scale,
    });
    b.push_into(&[up], bicubic, &[signed])?;

    let lr = b.push("lr.unit", unpack(1.0 / 255.0, 0.0), &[pixels])?;
    let encoded = encoder::build(&mut b, settings, lr)?;
    if options.sr_head {
        encoder::build_sr_head(&mut b, settings, encoded.last)?;
    }

    let shape = hr_shape(settings, options, settings.hidden);
    let cond = state(&mut b, names::CONDITIONING, shape, Element::Real)?;
    let weight = "denoise_fn.cond_proj";
    if settings.up_input {
        let projected = b.value("unet.cond", shape, Role::Temporary, Element::Real)?;
        let s = settings.scale;
        unet::conv_transpose_into(&mut b, weight, encoded.conditioning, projected, s)?;
        let epilogue = Epilogue {
            residual_scales: vec![1.0],
            ..Epilogue::none()
        };
        let name = "denoise_fn.up_proj.1";
        unet::conv_into(&mut b, name, up, cond, 3, 1, epilogue, &[projected])?;
    } else {
        let s = settings.scale;
        unet::conv_transpose_into(&mut b, weight, encoded.conditioning, cond, s)?;
    }
    Ok(b.build())
}

fn start(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::START);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::Full)?;
    b.push_into(&[x], Op::Noise(Noise { shape }), &[])?;
    Ok(b.build())
}

fn step(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::STEP);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::Full)?;
    let cond_shape = shape.with_channels(settings.hidden);
    let cond = state(&mut b, names::CONDITIONING, cond_shape, Element::Real)?;
    let eps = unet::build(&mut b, settings, x, cond)?;

    let x0 = state(&mut b, names::X0, shape, Element::Full)?;
    let mut operands = vec![x, x0, eps];
    if options.noise == NoiseSource::Replayed {
        operands.push(b.value(names::Z, shape, Role::Input, Element::Full)?);
    }
    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: options.noise,
    });
    b.push_into(&[x, x0], update, &operands)?;
    Ok(b.build())
}

fn finish(settings: &Settings, options: &PhaseOptions) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new(names::FINISH);
    let shape = hr_shape(settings, options, 3);
    let x = state(&mut b, names::X, shape, Element::Full)?;
    let up = state(&mut b, names::UP, shape, Element::Full)?;
    let sr = b.value(names::SR, shape, Role::Output, Element::Full)?;
    let reconstruct = Op::Reconstruct(Reconstruct {
        res_rescale: settings.res_rescale as f32,
    });
    b.push_into(&[sr], reconstruct, &[x, up])?;
    let picture = b.value(
        names::PICTURE,
        shape.with_channels(1),
        Role::Output,
        Element::Pixel,
    )?;
    b.push_into(&[picture], Op::ImagePack(ImagePack {}), &[sr])?;
    Ok(b.build())
}
