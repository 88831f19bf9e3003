//! The conditional noise predictor (SRDiff section 3.3): a U-Net of ResNet
//! blocks.

use super::layers::{self, Added, To};
use super::{Attention, Settings, time};
use crate::graph::{Element, GraphBuilder, Role, Shape, ValueId};
use crate::ops::{
    Activation, Conv2d, Epilogue, GroupNorm, LinearAttention, Op, Padding, Pointwise,
};

/// `torch.nn.GroupNorm`'s default.
const GROUP_NORM_EPSILON: f32 = 1e-5;

/// Every ResNet block of the U-Net with its channels, in execution order.
pub(super) fn resnet_blocks(settings: &Settings) -> Vec<(String, usize)> {
    let last = settings.levels() - 1;
    let downs = (0..=last).map(|level| (format!("downs.{level}."), level, [0, 1]));
    let mid = ("mid_block".to_owned(), last, [1, 2]);
    let ups = (0..last).map(|j| (format!("ups.{j}."), last - 1 - j, [0, 1]));
    let blocks = downs.chain([mid]).chain(ups);
    let named = |(prefix, level, numbers): (String, usize, [usize; 2])| {
        numbers.map(|k| (format!("{prefix}{k}"), settings.channels(level)))
    };
    blocks.flat_map(named).collect()
}

/// Adds the U-Net, from `x` `[n, 3, h, w]` (h, w multiples of `2^(levels - 1)`)
/// and the conditioning `cond` `[n, hidden, h, w]` to `unet.eps` `[n, 3, h, w]`.
/// The running step chooses the row of the time tables.
///
/// Each level's skip and the feature map from below are parts of one array, so
/// that concatenation copies nothing.
pub(super) fn build(b: &mut GraphBuilder, settings: &Settings, x: ValueId, cond: ValueId) -> Added {
    let levels = settings.mults.len();
    let mut net = Unet { b, settings };

    // joined[level] = [feature map from below | skip]; level 0's skip is never read.
    let mut joined: Vec<Option<ValueId>> = vec![None];
    for level in 1..levels {
        joined.push(Some(net.joined(level, x)?));
    }

    let mut h = x;
    for level in 0..levels {
        let channels = settings.channels(level);
        h = net.resnet(&format!("downs.{level}.0"), h, channels, None, None)?;
        let name = format!("unet.down.{level}");
        let (into, extra) = match joined[level] {
            Some(joined) => (net.b.segments(&name, joined, 1, 1)?, None),
            None => (net.temporary(&name, net.b.shape(h))?, Some(cond)),
        };
        h = net.resnet(&format!("downs.{level}.1"), h, channels, Some(into), extra)?;
        if level + 1 < levels {
            h = net.downsample(&format!("downs.{level}.2"), h)?;
        }
    }

    let channels = settings.channels(levels - 1);
    h = net.resnet("mid_block1", h, channels, None, None)?;
    if let Some(attention) = settings.attention {
        h = net.attention(h, attention)?;
    }
    let mid = match joined[levels - 1] {
        Some(joined) => net.b.segments("unet.mid", joined, 0, 1)?,
        None => net.temporary("unet.mid", net.b.shape(h))?,
    };
    h = net.resnet("mid_block2", h, channels, Some(mid), None)?;

    for (j, level) in (1..levels).rev().enumerate() {
        let channels = settings.channels(level - 1);
        let wide = joined[level].expect("every level but the first has a skip");
        h = net.resnet(&format!("ups.{j}.0"), wide, channels, None, None)?;
        h = net.resnet(&format!("ups.{j}.1"), h, channels, None, None)?;
        let name = format!("unet.up.{j}");
        let to = match joined[level - 1] {
            Some(joined) => To::Value(net.b.segments(&name, joined, 0, 1)?),
            None => To::New(&name),
        };
        let layer = format!("denoise_fn.ups.{j}.2.conv.0");
        h = layers::conv_transpose2d(net.b, &layer, channels, 2, h, to)?;
    }

    let to = To::New("unet.final");
    h = net.block("final_conv.0", h, settings.hidden, to)?;
    let shape = b.shape(x);
    let eps = b.value("unet.eps", shape, Role::Temporary, Element::F32)?;
    let (layer, to) = ("denoise_fn.final_conv.1", To::Value(eps));
    layers::conv2d(b, layer, shape.c, pointwise_conv(), h, to)
}

fn pointwise_conv() -> Conv2d {
    Conv2d::new(1, Padding::Zero)
}

struct Unet<'a> {
    b: &'a mut GraphBuilder,
    settings: &'a Settings,
}

impl Unet<'_> {
    fn temporary(&mut self, name: &str, shape: Shape) -> Added {
        self.b.value(name, shape, Role::Temporary, Element::Float)
    }

    fn joined(&mut self, level: usize, x: ValueId) -> Added {
        let channels = self.settings.channels(level);
        let full = self.b.shape(x);
        let shape = Shape::new(full.n, 2 * channels, full.h >> level, full.w >> level);
        let name = format!("unet.joined.{level}");
        self.b
            .concat(&name, shape, Role::Temporary, &[channels, channels])
    }

    /// `block2(block1(x) + time) + res(x) + extra`, with Mish (and, with
    /// groups, GroupNorm) in each block.
    fn resnet(
        &mut self,
        name: &str,
        x: ValueId,
        channels: usize,
        into: Option<ValueId>,
        extra: Option<ValueId>,
    ) -> Added {
        let table = time::table(self.b, self.settings, name, channels)?;
        let block = |net: &mut Self, k: usize, x| {
            let block = format!("{name}.block{k}");
            net.block(&block, x, channels, To::New(&format!("{block}.mish")))
        };
        let first = block(self, 1, x)?;
        let (add_time, to) = (Pointwise::add_table_row(), format!("{name}.hidden"));
        let hidden = layers::pointwise(self.b, add_time, &[first, table], To::New(&to))?;
        let second = block(self, 2, hidden)?;

        let mut residual = x;
        if self.b.shape(x).c != channels {
            let (layer, to) = (
                format!("denoise_fn.{name}.res_conv"),
                format!("{name}.residual"),
            );
            residual = layers::conv2d(self.b, &layer, channels, pointwise_conv(), x, To::New(&to))?;
        }
        let result = format!("{name}.result");
        let to = into.map_or(To::New(&result), To::Value);
        let add = || Pointwise::add(1.0, 1.0);
        let Some(extra) = extra else {
            return layers::pointwise(self.b, add(), &[second, residual], to);
        };
        let sum = format!("{name}.sum");
        let sum = layers::pointwise(self.b, add(), &[second, residual], To::New(&sum))?;
        layers::pointwise(self.b, add(), &[sum, extra], to)
    }

    /// Reflection-padded 3x3 convolution, GroupNorm if the model has it, Mish.
    fn block(&mut self, name: &str, x: ValueId, channels: usize, to: To) -> Added {
        let layer = format!("denoise_fn.{name}.block");
        let (conv, raw) = (Conv2d::new(3, Padding::Reflect), format!("{name}.raw"));
        let (conv_layer, to_raw) = (format!("{layer}.1"), To::New(&raw));
        let mut y = layers::conv2d(self.b, &conv_layer, channels, conv, x, to_raw)?;
        if let Some(groups) = self.settings.groups {
            let (norm, shape) = (format!("{layer}.2"), Shape::vector(channels));
            let [weight, bias] = layers::parameters(self.b, &norm, shape, channels)?;
            let op = Op::GroupNorm(GroupNorm {
                groups,
                epsilon: GROUP_NORM_EPSILON,
                epilogue: Epilogue::none(),
            });
            y = (self.b).push(&format!("{name}.norm"), op, &[y, weight, bias])?;
        }
        let mish = Pointwise::activation(Activation::Mish);
        layers::pointwise(self.b, mish, &[y], to)
    }

    fn downsample(&mut self, name: &str, x: ValueId) -> Added {
        let conv = Conv2d {
            stride: 2,
            ..Conv2d::new(3, Padding::Reflect)
        };
        let (layer, channels) = (format!("denoise_fn.{name}.conv.1"), self.b.shape(x).c);
        layers::conv2d(self.b, &layer, channels, conv, x, To::New(name))
    }

    fn attention(&mut self, x: ValueId, sizes: Attention) -> Added {
        let channels = self.b.shape(x).c;
        let conv = Conv2d {
            bias: false,
            ..pointwise_conv()
        };
        let (layer, to) = ("denoise_fn.mid_attn.fn.fn.to_qkv", To::New("mid_attn.qkv"));
        let qkv = 3 * sizes.heads * sizes.head_dim;
        let qkv = layers::conv2d(self.b, layer, qkv, conv, x, to)?;
        let op = Op::LinearAttention(LinearAttention {
            heads: sizes.heads,
            head_channels: sizes.head_dim,
        });
        let attended = self.b.push("mid_attn.attended", op, &[qkv])?;
        // The learnt gate is folded into this layer's weights.
        let (layer, to) = ("denoise_fn.mid_attn.fn.fn.to_out", To::New("mid_attn.out"));
        let out = layers::conv2d(self.b, layer, channels, pointwise_conv(), attended, to)?;
        let (add, to) = (Pointwise::add(1.0, 1.0), To::New("mid_attn.result"));
        layers::pointwise(self.b, add, &[out, x], to)
    }
}
