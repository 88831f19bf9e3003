//! Tables of the time embedding: each ResNet block's linear layer applied to the
//! embedding of every timestep, computed once per model.

use super::{
    Settings,
    layers::{self, Added, To},
};
use crate::graph::{Element, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{Activation, Pointwise};

/// Sinusoidal embedding of timesteps `0..timesteps`, `[timesteps, hidden]`:
/// `[sin(t w_0).., cos(t w_0)..]`, `w_k = exp(-k ln(10000) / (hidden / 2 - 1))`
/// (Vaswani et al. 2017 as in Ho et al. 2020). The weights `w` and the
/// products `t w` are rounded to f32 as PyTorch rounds them.
pub fn sinusoidal_embedding(timesteps: usize, hidden: usize) -> Vec<f32> {
    let half = hidden / 2;
    let factor = -(10000f64.ln() / (half as f64 - 1.0)) as f32;
    let weights: Vec<f32> = (0..half).map(|k| (k as f32 * factor).exp()).collect();
    let mut table = Vec::with_capacity(timesteps * hidden);
    for t in 0..timesteps {
        let angles = || weights.iter().map(|w| f64::from(t as f32 * w));
        table.extend(angles().map(|angle| angle.sin() as f32));
        table.extend(angles().map(|angle| angle.cos() as f32));
    }
    table
}

/// The table that a ResNet block reads: `time.<block>` `[timesteps, channels]`.
pub(super) fn table(
    b: &mut GraphBuilder,
    settings: &Settings,
    block: &str,
    channels: usize,
) -> Added {
    let shape = Shape::matrix(settings.timesteps, channels);
    b.value(&format!("time.{block}"), shape, Role::State, Element::F32)
}

/// Adds the embedding's two layers, and the [`table`] of every block (name,
/// channels).
pub(super) fn build(
    b: &mut GraphBuilder,
    settings: &Settings,
    blocks: &[(String, usize)],
) -> Result<(), GraphError> {
    let (timesteps, hidden) = (settings.timesteps, settings.hidden);
    let shape = Shape::matrix(timesteps, hidden);
    let sinusoids = b.value(super::names::TIME, shape, Role::Input, Element::F32)?;
    let wide = mlp(b, "denoise_fn.mlp.0", sinusoids, "time.wide", 4 * hidden)?;
    let temb = mlp(b, "denoise_fn.mlp.2", wide, "unet.temb", hidden)?;
    for (block, channels) in blocks {
        let into = table(b, settings, block, *channels)?;
        layers::linear(b, &format!("denoise_fn.{block}.mlp.1"), temb, into)?;
    }
    Ok(())
}

/// A fully connected layer `name`, then Mish.
fn mlp(b: &mut GraphBuilder, layer: &str, x: ValueId, name: &str, columns: usize) -> Added {
    let shape = Shape::matrix(b.shape(x).n, columns);
    let y = b.value(name, shape, Role::Temporary, Element::F32)?;
    layers::linear(b, layer, x, y)?;
    let mish = Pointwise::activation(Activation::Mish);
    layers::pointwise(b, mish, &[y], To::New(&format!("{name}.mish")))
}
