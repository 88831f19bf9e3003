//! The model that a run has made.

use super::{TrainError, Trainer};
use crate::model::convert::{ConvertProblem, model_bytes};
use crate::model::objective::names;
use crate::model::{FloatType, Model, ModelError, expected_tensors};
use std::collections::BTreeMap;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum AveragedError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the trained model: {0}")]
    Write(#[from] ConvertProblem),
}

/// The bytes of a model file with the averages of the trained parameters, and the
/// others as they are in `model`, with which the trainer began. `metadata` are keys
/// and texts, such as `license` and `training`.
///
/// # Errors
/// When the device fails, or a parameter is beyond the range of the number format.
pub fn averaged(
    trainer: &mut Trainer,
    model: &Model,
    float_type: FloatType,
    metadata: &[(&str, &str)],
) -> Result<Vec<u8>, AveragedError> {
    let trained: Vec<String> = trainer
        .parameters()
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let mut tensors = BTreeMap::new();
    for (name, shape) in expected_tensors(model.settings()) {
        let values = match trained.contains(&name) {
            true => trainer.read(&names::average(&name))?,
            // What attention's output layer was trained with has the gate in it.
            false if name.ends_with(".fn.g") && trainer.options().stage.trains_denoiser() => {
                vec![1.0]
            }
            false => model.weights().tensor(&name)?.values.into_owned(),
        };
        tensors.insert(name, (shape, values));
    }
    Ok(model_bytes(
        model.settings(),
        &tensors,
        float_type,
        metadata,
    )?)
}
