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

use super::layers::{self, Added, To};
use super::{Settings, encoder, time, unet};
use crate::graph::{Element, Graph, GraphBuilder, GraphError, Role, Shape};
use crate::ops::{
    Conv2d, CountNonFinite, EstimateX0, Noise, NoiseSource, Op, Padding, Pointwise, Reconstruct,
    SamplerUpdate, UpsampleBicubic,
};

/// Names of the phases, their inputs and outputs, and the values that keep
/// their memory from phase to phase.
pub mod names {
    /// Phase: the time tables, once for a model.
    pub const MODEL: &str = "model";
    /// Phase: the enlargement and the encoder's features of an image.
    pub const IMAGE: &str = "image";
    /// Phase: the conditioning, from the features.
    pub const CONDITION: &str = "condition";
    /// Phase: x_T of a sample.
    pub const START: &str = "start";
    /// Phase of each step: the estimate of x_0.
    pub const PREDICT: &str = "predict";
    /// Phase of each step: x_{t-1}.
    pub const UPDATE: &str = "update";
    /// Phase: the result of a sample.
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

pub(crate) use encoder::SR as ENCODER_SR;

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

impl PhaseOptions {
    /// One LR image, with generated noise and without the SR head.
    pub fn new([width, height]: [usize; 2]) -> Self {
        Self {
            batch: 1,
            height,
            width,
            noise: NoiseSource::Generated,
            sr_head: false,
        }
    }
}

/// Builds the graphs of all phases, in the order of the table above.
///
/// # Errors
/// When the sizes do not fit the model: LR sizes must be multiples of
/// [`Settings::lr_size_multiple`].
pub fn build(settings: &Settings, options: &PhaseOptions) -> Result<Vec<Graph>, GraphError> {
    let image = Image::new(settings, options);
    let phase = |name, add: &dyn Fn(&mut GraphBuilder) -> Result<(), GraphError>| {
        let mut b = GraphBuilder::new(name);
        add(&mut b).map(|()| b.build())
    };
    Ok(vec![
        phase(names::MODEL, &|b| image.model(b))?,
        phase(names::IMAGE, &|b| image.image(b))?,
        phase(names::CONDITION, &|b| image.condition(b))?,
        phase(names::START, &|b| image.start(b))?,
        phase(names::PREDICT, &|b| image.predict(b))?,
        phase(names::UPDATE, &|b| image.update(b))?,
        phase(names::FINISH, &|b| image.finish(b))?,
    ])
}

fn state(b: &mut GraphBuilder, name: &str, shape: Shape) -> Added {
    b.value(name, shape, Role::State, Element::F32)
}

/// What the phases work on.
pub(super) struct Image<'a> {
    settings: &'a Settings,
    options: &'a PhaseOptions,
    /// Shapes of the LR image and of the SR image.
    lr: Shape,
    pub hr: Shape,
}

impl<'a> Image<'a> {
    pub fn new(settings: &'a Settings, options: &'a PhaseOptions) -> Self {
        let lr = Shape::new(options.batch, 3, options.height, options.width);
        let (h, w) = (lr.h * settings.scale, lr.w * settings.scale);
        Self {
            settings,
            options,
            lr,
            hr: Shape { h, w, ..lr },
        }
    }

    fn model(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        time::build(b, self.settings, &unet::resnet_blocks(self.settings))
    }

    pub fn image(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let lr = b.value(names::LR, self.lr, Role::Input, Element::F32)?;
        let signed = b.value("lr.signed", self.lr, Role::Temporary, Element::F32)?;
        let to_signed = Pointwise::affine(self.settings.up_factor() as f32, -1.0);
        layers::pointwise(b, to_signed, &[lr], To::Value(signed))?;
        let up = state(b, names::UP, self.hr)?;
        let factor = self.settings.scale;
        let bicubic = Op::UpsampleBicubic(UpsampleBicubic { factor });
        b.push_into(&[up], bicubic, &[signed])?;

        let last = encoder::build(b, self.settings, lr)?;
        match self.options.sr_head {
            true => encoder::build_sr_head(b, self.settings, last),
            false => Ok(()),
        }
    }

    pub fn conditioning(&self, b: &mut GraphBuilder) -> Added {
        let shape = self.hr.with_channels(self.settings.hidden);
        b.value(names::CONDITIONING, shape, Role::State, Element::Float)
    }

    pub fn condition(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let maps = encoder::features(b, self.settings, self.lr)?;
        let cond = self.conditioning(b)?;
        let (hidden, s) = (self.settings.hidden, self.settings.scale);
        let layer = "denoise_fn.cond_proj";
        if !self.settings.up_input {
            layers::conv_transpose2d(b, layer, hidden, s, maps, To::Value(cond))?;
            return Ok(());
        }
        let up = state(b, names::UP, self.hr)?;
        let to = To::New("unet.cond");
        let projected = layers::conv_transpose2d(b, layer, hidden, s, maps, to)?;
        let conv = Conv2d::new(3, Padding::Reflect);
        let to = To::New("unet.up_proj");
        let up = layers::conv2d(b, "denoise_fn.up_proj.1", hidden, conv, up, to)?;
        let add = Op::Pointwise(Pointwise::add(1.0, 1.0));
        b.push_into(&[cond], add, &[up, projected])
    }

    fn start(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let x = state(b, names::X, self.hr)?;
        b.push_into(&[x], Op::Noise(Noise { shape: self.hr }), &[])
    }

    fn predict(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let x = state(b, names::X, self.hr)?;
        let cond = self.conditioning(b)?;
        let eps = unet::build(b, self.settings, x, cond)?;
        let x0 = state(b, names::X0, self.hr)?;
        b.push_into(&[x0], Op::EstimateX0(EstimateX0 {}), &[x, eps])
    }

    fn update(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let x = state(b, names::X, self.hr)?;
        let x0 = state(b, names::X0, self.hr)?;
        let previous = state(b, names::X0_PREVIOUS, self.hr)?;
        let mut operands = vec![x, x0, previous];
        let noise = self.options.noise;
        if noise == NoiseSource::Replayed {
            operands.push(b.value(names::Z, self.hr, Role::Input, Element::F32)?);
        }
        let update = Op::SamplerUpdate(SamplerUpdate { noise });
        b.push_into(&[x, previous], update, &operands)
    }

    fn finish(&self, b: &mut GraphBuilder) -> Result<(), GraphError> {
        let x = state(b, names::X, self.hr)?;
        let up = state(b, names::UP, self.hr)?;
        let sr = b.value(names::SR, self.hr, Role::Output, Element::F32)?;
        let res_rescale = self.settings.res_rescale as f32;
        let reconstruct = Op::Reconstruct(Reconstruct { res_rescale });
        b.push_into(&[sr], reconstruct, &[x, up])?;
        let rows = Shape::new(self.hr.n, 1, self.hr.h, 1);
        let count = b.value(names::NON_FINITE, rows, Role::Output, Element::F32)?;
        b.push_into(&[count], Op::CountNonFinite(CountNonFinite {}), &[sr])
    }
}
