//! Where a graph's parameters come from.

use super::Shape;
use std::borrow::Cow;
use thiserror::Error;

/// The tensors of a model, by the names that its graphs use.
pub trait Parameters: Send + Sync {
    /// The tensor `name` in PyTorch's order of elements, row-major.
    ///
    /// # Errors
    /// When there is no such tensor, or it has another shape.
    fn parameter(&self, name: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError>;
}

/// A tensor that is not there or has another shape.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("weight '{name}': {reason}")]
pub struct ParameterError {
    pub name: String,
    pub reason: String,
}

/// The tensor, refused if it is not of the shape that was asked for.
pub(crate) fn read_parameter<'a>(
    parameters: &'a dyn Parameters,
    name: &str,
    shape: Shape,
) -> Result<Cow<'a, [f32]>, ParameterError> {
    let tensor = parameters.parameter(name, shape)?;
    match tensor.len() == shape.elements() {
        true => Ok(tensor),
        false => Err(ParameterError {
            name: name.to_owned(),
            reason: format!("has {} elements, not those of {shape}", tensor.len()),
        }),
    }
}
