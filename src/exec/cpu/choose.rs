//! Which kernel runs each node on the CPU.

use super::{conv_transpose2d, conv2d, group_norm, linear, linear_attention, upsample};
use crate::exec::choice::{self, choice};
use crate::graph::{Element, Shape};
use crate::ops::{Axis, Op, Packing};
use crate::plan::{Choice, Chooser, Format, NodeOperands, Precision, Variant};

/// The static rule of the CPU: channels-last f32 throughout.
#[derive(Clone, Copy, Debug)]
pub struct CpuChooser {
    pub threads: usize,
    /// What convolves wherever it can; where it cannot, or if none is given,
    /// the static rule.
    pub convolution: Option<Variant>,
}

impl CpuChooser {
    /// The static rule, for so many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            convolution: None,
        }
    }
}

impl Chooser for CpuChooser {
    fn format(&self, _: Element) -> Format {
        Format::PLAIN
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        Ok(match node.op {
            Op::Conv2d(op) => conv2d::choose(node, op, self),
            Op::ConvTranspose2d(op) => conv_transpose2d::choose(node, op, self.threads),
            // Any format to any other.
            Op::Convert(_) => choice(node, |o| o.format.unwrap_or(Format::PLAIN), []),
            Op::GroupNorm(_) => group_norm::choose(node),
            Op::Linear(_) => linear::choose(node),
            Op::LinearAttention(op) => linear_attention::choose(node, op),
            Op::Pack(op) => choice::pack(node, &op.packing),
            Op::UpsampleBicubic(_) => upsample::choose_bicubic(node),
            Op::CountNonFinite(_)
            | Op::EstimateX0(_)
            | Op::Noise(_)
            | Op::Pointwise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::UpsampleNearest(_) => plain(node),
        })
    }

    fn threads(&self) -> usize {
        self.threads
    }
}

/// Every operand and result channels-last in f32, no weights, no scratch.
pub(super) fn plain(node: &NodeOperands) -> Choice {
    weighted(node, [])
}

/// As [`plain`], the parameters among the operands packed: in the order of
/// `packings`.
pub(super) fn weighted(node: &NodeOperands, packings: impl IntoIterator<Item = Packing>) -> Choice {
    choice(node, |_| Format::PLAIN, packings)
}

/// The packings of a weight, its axes in this order, and of a bias.
pub(super) fn weight_and_bias(plain: Shape, axes: Vec<Axis>, outputs: usize) -> [Packing; 2] {
    let weight = Packing {
        plain,
        winograd: None,
        axes,
        channels: None,
        precision: Precision::F32,
    };
    [weight, vector(outputs)]
}

/// The packing of a vector: as it is.
pub(super) fn vector(len: usize) -> Packing {
    Packing::vector(Shape::vector(len), len)
}

/// Bytes of so many elements of f32.
pub(super) fn bytes(elements: usize) -> u64 {
    4 * elements as u64
}
