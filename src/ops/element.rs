//! What the elements of a value are.

use serde::{Deserialize, Serialize};

/// How accurately the elements of a value must be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Element {
    /// In f32 on every device: the diffusion state, images, time tables.
    F32,
    /// In whichever precision was asked for: feature maps and weights.
    Float,
    /// In f32 and in PyTorch's order of elements: parameters that are trained,
    /// their gradients, and what an optimizer keeps.
    Tensor,
}
