//! Which kernel runs each node on the CPU.

use super::{
    channel_sum, conv_transpose2d, conv_transpose2d_gradient, conv2d, conv2d_weight_gradient,
    group_norm, group_norm_gradient, linear, linear_attention, linear_attention_gradient, loss,
    pointwise, upsample_bicubic,
};
use crate::exec::choice::{self, choice};
use crate::graph::{Element, Shape};
use crate::ops::{Axis, Op, Packing};
use crate::plan::{
    Choice, Chooser, Format, Layout, NodeOperands, Operand, Precision, Variant, Wanted,
};
use std::ops::Range;

/// The static rule of the CPU: channels last throughout, in f32 or, between
/// convolutions, in bf16.
#[derive(Clone, Copy, Debug)]
pub struct CpuChooser {
    pub threads: usize,
    /// What convolves wherever it can; where it cannot, or if none is given,
    /// the static rule.
    pub conv2d: Option<Variant>,
    /// How feature maps and the weights of convolutions are stored: f32 or bf16.
    pub precision: Precision,
}

impl CpuChooser {
    /// The static rule, for so many threads.
    pub fn new(threads: usize, precision: Precision) -> Self {
        Self {
            threads,
            conv2d: None,
            precision,
        }
    }
}

impl Chooser for CpuChooser {
    fn format(&self, element: Element) -> Format {
        match element {
            Element::F32 => Format::PLAIN,
            Element::Tensor => Format::TENSOR,
            Element::Float => Format::new(Layout::ChannelsLast, self.precision),
        }
    }

    fn choose(&self, node: &NodeOperands) -> Result<Choice, String> {
        Ok(match node.op {
            Op::ActivationGradient(_) => maps(node, self.precision),
            Op::ChannelSum(_) => channel_sum::choose(node, self.precision),
            Op::Conv2dWeightGradient(op) => {
                conv2d_weight_gradient::choose(node, op, self.precision)
            }
            Op::ConvTranspose2dGradient(op) => conv_transpose2d_gradient::choose(node, op, self),
            Op::Dilate(_)
            | Op::FoldBorder(_)
            | Op::UpsampleNearest(_)
            | Op::UpsampleNearestGradient(_) => alike(node, self.precision),
            Op::GroupNormGradient(_) => group_norm_gradient::choose(node),
            Op::LinearAttentionGradient(op) => linear_attention_gradient::choose(node, op),
            Op::Loss(_) => loss::choose(node),
            Op::Conv2d(op) => conv2d::choose(node, op, self),
            Op::ConvTranspose2d(op) => conv_transpose2d::choose(node, op, self),
            // Any format to any other.
            Op::Convert(_) => choice(node, |o| o.format.unwrap_or(Format::PLAIN), []),
            Op::GroupNorm(_) => group_norm::choose(node),
            Op::Linear(_) => linear::choose(node),
            Op::LinearAttention(op) => linear_attention::choose(node, op),
            Op::Pack(op) => choice::pack(node, &op.packing),
            Op::Pointwise(op) => pointwise::choose(node, op, self.precision),
            Op::UpsampleBicubic(_) => upsample_bicubic::choose(node),
            Op::Accumulate(_)
            | Op::Adam(_)
            | Op::CountNonFinite(_)
            | Op::EstimateX0(_)
            | Op::Noise(_)
            | Op::Reconstruct(_)
            | Op::SamplerUpdate(_)
            | Op::SquaredNorms(_) => plain(node),
        })
    }

    fn threads(&self) -> usize {
        self.threads
    }
}

/// Every operand and result channels-last in f32, no weights, no scratch.
pub(super) fn plain(node: &NodeOperands) -> Choice {
    weighted(node, Precision::F32, [])
}

/// Every operand but tensors channels-last in this precision, results in that
/// of their elements.
pub(super) fn maps(node: &NodeOperands, precision: Precision) -> Choice {
    let mut choice = weighted(node, precision, []);
    for (wanted, operand) in choice.inputs.iter_mut().zip(&node.inputs) {
        if operand.value.element != Element::Tensor {
            *wanted = Wanted::Value(Format::new(Layout::ChannelsLast, precision));
        }
    }
    choice
}

/// Operands and results channels-last in this precision.
pub(super) fn alike(node: &NodeOperands, precision: Precision) -> Choice {
    choice(node, |_| Format::new(Layout::ChannelsLast, precision), [])
}

/// As [`plain`], feature maps in this precision, and the parameters among the
/// operands packed: in the order of `packings`.
pub(super) fn weighted(
    node: &NodeOperands,
    precision: Precision,
    packings: impl IntoIterator<Item = Packing>,
) -> Choice {
    let format = |operand: &Operand| match operand.value.element {
        Element::Float => Format::new(Layout::ChannelsLast, precision),
        Element::F32 => Format::PLAIN,
        Element::Tensor => Format::TENSOR,
    };
    choice(node, format, packings)
}

/// The choice of a convolution: its first operand in this precision, its
/// residuals in that of its result.
pub(super) fn convolution(
    node: &NodeOperands,
    precision: Precision,
    residuals: Range<usize>,
    packings: [Packing; 2],
) -> Choice {
    let mut choice = weighted(node, precision, packings);
    choice.inputs[0] = Wanted::Value(Format::new(Layout::ChannelsLast, precision));
    for residual in &mut choice.inputs[residuals] {
        *residual = Wanted::Value(choice.outputs[0]);
    }
    choice
}

/// The packings of a weight, its axes in this order, and of a bias.
pub(super) fn weight_and_bias(plain: Shape, axes: Vec<Axis>, outputs: usize) -> [Packing; 2] {
    let weight = Packing {
        plain,
        winograd: None,
        turned: false,
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
