//! A model before any training.

use crate::diffusion::noise::philox4x32;
use crate::model::convert::{ConvertProblem, model_bytes};
use crate::model::{FloatType, Model, ModelError, Settings, Weights, expected_tensors};
use std::collections::BTreeMap;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum InitError {
    #[error("a new model: {0}")]
    Write(#[from] ConvertProblem),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A new model with random parameters, as PyTorch's layers begin: weights and
/// biases uniform within `1 / sqrt(inputs)`, group norms with weights of 1 and
/// biases of 0, and no attention.
///
/// # Errors
/// When no model has these settings.
pub fn new_model(settings: &Settings, seed: u64) -> Result<Model, InitError> {
    let shapes: BTreeMap<String, Vec<usize>> = expected_tensors(settings).into_iter().collect();
    let tensors = shapes.iter().enumerate().map(|(index, (name, shape))| {
        let count = shape.iter().product();
        let values = match bound(name, &shapes) {
            Some(bound) => uniform(seed, index as u32, count, bound),
            // The gate of attention is closed.
            None if name.ends_with(".weight") => vec![1.0; count],
            None => vec![0.0; count],
        };
        (name.clone(), (shape.clone(), values))
    });
    let tensors = tensors.collect();
    let bytes = model_bytes(settings, &tensors, FloatType::F32, &[])?;
    let weights = Weights::from_bytes(bytes, "a new model")?;
    Ok(Model::from_weights(weights)?)
}

/// The bound of a tensor's values; none for group norms and the attention's gate.
fn bound(name: &str, shapes: &BTreeMap<String, Vec<usize>>) -> Option<f64> {
    let (layer, _) = name.rsplit_once('.')?;
    let weight = shapes.get(&format!("{layer}.weight"))?;
    // PyTorch counts so for transposed convolutions, too.
    let inputs: usize = weight
        .get(1..)
        .filter(|rest| !rest.is_empty())?
        .iter()
        .product();
    Some(1.0 / (inputs as f64).sqrt())
}

fn uniform(seed: u64, index: u32, count: usize, bound: f64) -> Vec<f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    let blocks =
        (0..count.div_ceil(4) as u32).flat_map(|block| philox4x32([block, index, 0, 0x1217], key));
    let value = |word: u32| ((f64::from(word) / 2_147_483_648.0 - 1.0) * bound) as f32;
    blocks.take(count).map(value).collect()
}
