//! The layers of the model's graphs, with their parameters.

use crate::graph::{GraphBuilder, GraphError, Shape, ValueId};
use crate::ops::{Conv2d, ConvTranspose2d, Linear, Op, Pointwise};

pub type Added = Result<ValueId, GraphError>;

/// Where a layer writes its result.
#[derive(Clone, Copy)]
pub enum To<'a> {
    /// A new temporary of this name.
    New(&'a str),
    Value(ValueId),
}

impl To<'_> {
    pub fn push(self, b: &mut GraphBuilder, op: Op, operands: &[ValueId]) -> Added {
        match self {
            Self::New(name) => b.push(name, op, operands),
            Self::Value(into) => b.push_into(&[into], op, operands).map(|()| into),
        }
    }
}

/// Adds a convolution with the parameters `<layer>.weight` and, if it has a
/// bias, `.bias`.
pub fn conv2d(
    b: &mut GraphBuilder,
    layer: &str,
    outputs: usize,
    conv: Conv2d,
    x: ValueId,
    to: To,
) -> Added {
    let shape = Shape::new(outputs, b.shape(x).c, conv.kernel, conv.kernel);
    let mut operands = vec![x, b.parameter(&format!("{layer}.weight"), shape)?];
    if conv.bias {
        operands.push(b.parameter(&format!("{layer}.bias"), Shape::vector(outputs))?);
    }
    to.push(b, Op::Conv2d(conv), &operands)
}

/// Adds a transposed convolution that enlarges by `stride`.
pub fn conv_transpose2d(
    b: &mut GraphBuilder,
    layer: &str,
    outputs: usize,
    stride: usize,
    x: ValueId,
    to: To,
) -> Added {
    let shape = Shape::new(b.shape(x).c, outputs, 2 * stride, 2 * stride);
    let [weight, bias] = parameters(b, layer, shape, outputs)?;
    let op = Op::ConvTranspose2d(ConvTranspose2d { stride });
    to.push(b, op, &[x, weight, bias])
}

pub fn linear(b: &mut GraphBuilder, layer: &str, x: ValueId, into: ValueId) -> Added {
    let (outputs, inputs) = (b.shape(into).c, b.shape(x).c);
    let [weight, bias] = parameters(b, layer, Shape::matrix(outputs, inputs), outputs)?;
    To::Value(into).push(b, Op::Linear(Linear {}), &[x, weight, bias])
}

pub fn pointwise(b: &mut GraphBuilder, op: Pointwise, operands: &[ValueId], to: To) -> Added {
    to.push(b, Op::Pointwise(op), operands)
}

/// The weight and bias of a layer.
pub fn parameters(
    b: &mut GraphBuilder,
    layer: &str,
    weight: Shape,
    outputs: usize,
) -> Result<[ValueId; 2], GraphError> {
    Ok([
        b.parameter(&format!("{layer}.weight"), weight)?,
        b.parameter(&format!("{layer}.bias"), Shape::vector(outputs))?,
    ])
}
