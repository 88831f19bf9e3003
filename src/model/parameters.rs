//! A model's tensors as the parameters of its graphs.

use super::{Model, Tensor, Weights, layout};
use crate::graph::{ParameterError, Parameters, Shape};
use std::borrow::Cow;

impl Parameters for Model {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        self.weights().parameter(name, shape)
    }
}

impl Parameters for Weights {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        let wrong = |reason: String| ParameterError {
            name: name.to_owned(),
            reason,
        };
        let tensor: Tensor = match layout::gate(name) {
            Some(gate) => self.gated(name, gate),
            None => self.tensor(name),
        }
        .map_err(|error| wrong(error.to_string()))?;
        if tensor.values.len() != shape.elements() {
            return Err(wrong(format!("has shape {:?}, not {shape}", tensor.shape)));
        }
        Ok(tensor.values)
    }
}
