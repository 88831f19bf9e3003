//! The time embedding of every timestep, with the linear layer of every
//! block applied: computed once per model, then read as tables.

use super::Settings;
use crate::graph::{Element, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{Linear, Mish, Op};

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

/// Name of the table that a ResNet block reads.
pub(super) fn table_name(block: &str) -> String {
    format!("time.{block}")
}

/// Adds the table that a ResNet block reads, for a phase that only reads it.
pub(super) fn table(
    b: &mut GraphBuilder,
    settings: &Settings,
    block: &str,
    channels: usize,
) -> Result<ValueId, GraphError> {
    let shape = Shape::matrix(settings.timesteps, channels);
    b.value(&table_name(block), shape, Role::State, Element::Full)
}

/// Adds the embedding's two layers and, for every block (name, channels), its
/// own: `time.<block>` `[timesteps, channels]`.
pub(super) fn build(
    b: &mut GraphBuilder,
    settings: &Settings,
    blocks: &[(String, usize)],
) -> Result<(), GraphError> {
    let (timesteps, hidden) = (settings.timesteps, settings.hidden);
    let sinusoids = b.value(
        super::names::TIME,
        Shape::matrix(timesteps, hidden),
        Role::Input,
        Element::Full,
    )?;
    let wide = linear(b, "denoise_fn.mlp.0", "time.wide", sinusoids, 4 * hidden)?;
    let wide = b.push("time.wide.mish", Op::Mish(Mish {}), &[wide])?;
    let temb = linear(b, "denoise_fn.mlp.2", "unet.temb", wide, hidden)?;
    let temb = b.push("unet.temb.mish", Op::Mish(Mish {}), &[temb])?;
    for (block, channels) in blocks {
        let into = table(b, settings, block, *channels)?;
        linear_into(b, &format!("denoise_fn.{block}.mlp.1"), into, temb)?;
    }
    Ok(())
}

fn linear(
    b: &mut GraphBuilder,
    weight: &str,
    name: &str,
    x: ValueId,
    columns: usize,
) -> Result<ValueId, GraphError> {
    let shape = Shape::matrix(b.shape(x).n, columns);
    let y = b.value(name, shape, Role::Temporary, Element::Full)?;
    linear_into(b, weight, y, x)?;
    Ok(y)
}

fn linear_into(
    b: &mut GraphBuilder,
    weight: &str,
    into: ValueId,
    x: ValueId,
) -> Result<(), GraphError> {
    let (out, inp) = (b.shape(into).c, b.shape(x).c);
    let w = b.parameter(&format!("{weight}.weight"), Shape::matrix(out, inp))?;
    let bias = b.parameter(&format!("{weight}.bias"), Shape::vector(out))?;
    b.push_into(&[into], Op::Linear(Linear {}), &[x, w, bias])
}
