//! Which nodes one measurement stands for.

use crate::graph::Shape;
use crate::ops::{Activation, Conv2d, Epilogue, Op, Padding};
use crate::plan::{Chooser, Layout, NodeOperands, Operand};

/// Sides of the images, as powers of two, between which classes are told
/// apart. Larger images keep every GPU as busy as these do.
const SIDES: std::ops::RangeInclusive<u32> = 4..=8;

/// What tells nodes apart that may run fastest by different kernels: the
/// operation and its parameters, channels, the size of the image in steps of
/// two along a side, and formats. None: nodes that are never timed.
///
/// It is the key of the table and of the cache file, so its text must tell
/// everything.
pub fn class(node: &NodeOperands, chooser: &dyn Chooser) -> Option<String> {
    let mut words = vec![node.op.name().to_owned()];
    match node.op {
        // They lie between two formats, and run when a model is loaded.
        Op::Convert(_) | Op::Pack(_) => return None,
        // One kernel each.
        Op::Accumulate(_)
        | Op::ActivationGradient(_)
        | Op::Adam(_)
        | Op::ChannelSum(_)
        | Op::Conv2dWeightGradient(_)
        | Op::ConvTranspose2dGradient(_)
        | Op::Dilate(_)
        | Op::FoldBorder(_)
        | Op::GroupNormGradient(_)
        | Op::LinearAttentionGradient(_)
        | Op::Loss(_)
        | Op::SquaredNorms(_)
        | Op::UpsampleNearestGradient(_) => return None,
        Op::Conv2d(op) => {
            let Conv2d { kernel, stride, .. } = op;
            words.push(format!("{kernel}x{kernel} s{stride}"));
            match op.padding {
                Padding::Zero => {}
                Padding::Reflect => words.push("reflect".to_owned()),
                Padding::Full => words.push("full".to_owned()),
            }
            words.extend(op.backward.then(|| "backward".to_owned()));
            words.extend((!op.bias).then(|| "no bias".to_owned()));
        }
        Op::ConvTranspose2d(op) => words.push(format!("s{}", op.stride)),
        Op::GroupNorm(op) => words.push(format!("{} groups", op.groups)),
        Op::LinearAttention(op) => words.push(format!("{} heads", op.heads)),
        Op::UpsampleBicubic(op) => words.push(format!("x{}", op.factor)),
        Op::UpsampleNearest(op) => words.push(format!("x{}", op.factor)),
        Op::CountNonFinite(_)
        | Op::EstimateX0(_)
        | Op::Linear(_)
        | Op::Noise(_)
        | Op::Pointwise(_)
        | Op::Reconstruct(_)
        | Op::SamplerUpdate(_) => {}
    }
    let result = &node.outputs[0];
    let x = node.inputs.first().unwrap_or(result);
    words.push(format!("{}->{}", channels(x), channels(result)));
    words.push(format!("{} px", 1 << side(result.shape())));
    let precision = |operand: &Operand| {
        let format = operand.format;
        format.map_or(chooser.format(operand.value.element).precision, |format| {
            format.precision
        })
    };
    words.push(format!("{}->{}", precision(x), precision(result)));
    if node.inputs.iter().any(Operand::is_parameter) {
        words.push(format!("by {}", chooser.precision()));
    }
    if let Some((epilogue, _)) = node.op.epilogue() {
        words.extend(epilogue_words(epilogue));
    }
    if node.inputs.iter().any(|input| input.root == result.root) {
        words.push("in place".to_owned());
    }
    Some(words.join(" "))
}

/// Channels, and those stored if there are more.
fn channels(operand: &Operand) -> String {
    let known = operand.shape().c;
    let stored = Layout::ChannelBlocks4.stored_channels(&operand.value.segments);
    match stored == known.next_multiple_of(4) {
        true => known.to_string(),
        false => format!("{known}({stored})"),
    }
}

/// The power of two that the side of a square image of as many pixels is next
/// to.
fn side(shape: Shape) -> u32 {
    let pixels = (shape.n * shape.pixels()).max(1) as f64;
    let nearest = (pixels.log2() / 2.0).round() as u32;
    nearest.clamp(*SIDES.start(), *SIDES.end())
}

/// Pixels of the largest image that is timed: that of the last class.
#[cfg(feature = "gpu")]
pub(super) const MOST_PIXELS: usize = 1 << (2 * *SIDES.end());

fn epilogue_words(epilogue: &Epilogue) -> Vec<String> {
    let mut words = Vec::new();
    match epilogue.activation {
        Activation::None => {}
        Activation::LeakyRelu { .. } => words.push("leaky relu"),
        Activation::Mish => words.push("mish"),
    }
    if epilogue.scale != 1.0 || epilogue.shift != 0.0 {
        words.push("scaled");
    }
    if epilogue.table_add {
        words.push("+table");
    }
    words.extend(epilogue.residual_scales.iter().map(|_| "+residual"));
    words.into_iter().map(str::to_owned).collect()
}
