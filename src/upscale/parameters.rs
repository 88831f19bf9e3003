//! A model's tensors as the parameters of a program.

use crate::exec::{ExecError, Parameters};
use crate::graph::Shape;
use crate::model::{Model, Tensor, Weights};
use std::borrow::Cow;

impl Parameters for Model {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ExecError> {
        self.weights().parameter(name, shape)
    }
}

impl Parameters for Weights {
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ExecError> {
        let wrong = |reason: String| ExecError::Parameter {
            name: name.to_owned(),
            reason,
        };
        let gated = "denoise_fn.mid_attn.fn.fn.to_out.";
        let tensor: Tensor = match name.strip_prefix(gated) {
            // The graph leaves the attention's learnt gate to its output layer.
            Some(part) => self.attention_output().map(|(weight, bias)| match part {
                "weight" => weight,
                _ => bias,
            }),
            None => self.tensor(name),
        }
        .map_err(|error| wrong(error.to_string()))?;
        if tensor.values.len() != shape.elements() {
            return Err(wrong(format!("has shape {:?}, not {shape}", tensor.shape)));
        }
        Ok(tensor.values)
    }
}
