//! What to compute, as plain data: values with checked shapes, and operations
//! on them.
//!
//! Nothing here knows a device. A [`Graph`] is built once per phase of the
//! reverse process, from plain operations; [`fuse`] folds pointwise ones into
//! epilogues. [`crate::plan`] goes on from there.

mod backward;
mod builder;
mod fuse;
mod parameters;
mod recompute;
mod value;

pub use crate::ops::{Element, Shape};
pub(crate) use backward::differentiated;
pub use backward::{Differentiation, Gradients, differentiate, gradient_name};
pub use builder::GraphBuilder;
pub(crate) use builder::find_clash;
pub use fuse::fuse;
pub(crate) use parameters::read_parameter;
pub use parameters::{ParameterError, Parameters};
pub use value::{Graph, GraphError, Node, Role, Value, ValueId};
