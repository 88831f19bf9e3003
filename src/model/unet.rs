//! The conditional noise predictor eps_theta (SRDiff section 3.3): a U-Net of
//! ResNet blocks.

use super::{Attention, Settings, time};
use crate::graph::{Element, GraphBuilder, GraphError, Role, Shape, ValueId};
use crate::ops::{
    Activation, Conv2d, ConvTranspose2d, Epilogue, GroupNorm, LinearAttention, Op, Padding,
};

/// `torch.nn.GroupNorm`'s default.
const GROUP_NORM_EPSILON: f32 = 1e-5;

/// Every ResNet block of the U-Net with its channels, in execution order.
pub(super) fn resnet_blocks(settings: &Settings) -> Vec<(String, usize)> {
    let levels = settings.mults.len();
    let mut blocks = Vec::new();
    for level in 0..levels {
        for k in 0..2 {
            blocks.push((format!("downs.{level}.{k}"), settings.channels(level)));
        }
    }
    for k in 1..=2 {
        let channels = settings.channels(levels - 1);
        blocks.push((format!("mid_block{k}"), channels));
    }
    for (j, level) in (1..levels).rev().enumerate() {
        for k in 0..2 {
            let channels = settings.channels(level - 1);
            blocks.push((format!("ups.{j}.{k}"), channels));
        }
    }
    blocks
}

/// Adds the U-Net: `x` `[n, 3, h, w]` (h, w multiples of `2^(levels - 1)`) and
/// the conditioning `cond` `[n, hidden, h, w]` to `unet.eps` `[n, 3, h, w]`.
/// The running step chooses the row of the time tables.
///
/// Each level's skip and the feature map that comes back up lie side by side
/// in one array from the start, so that concatenating them costs nothing.
pub(super) fn build(
    b: &mut GraphBuilder,
    settings: &Settings,
    x: ValueId,
    cond: ValueId,
) -> Result<ValueId, GraphError> {
    let levels = settings.mults.len();
    let mut net = Unet { b, settings };

    // skips[level] = [feature map from below | skip]; level 0's skip is never read.
    let mut joined: Vec<Option<ValueId>> = vec![None];
    for level in 1..levels {
        joined.push(Some(net.joined(level, x)?));
    }

    let mut h = x;
    for level in 0..levels {
        let channels = settings.channels(level);
        h = net.resnet(&format!("downs.{level}.0"), h, channels, None, &[])?;
        let name = format!("unet.down.{level}");
        let (into, extra) = match joined[level] {
            Some(joined) => (net.b.segments(&name, joined, 1, 1)?, vec![]),
            None => (net.temporary(&name, net.b.shape(h))?, vec![cond]),
        };
        net.resnet(&format!("downs.{level}.1"), h, channels, Some(into), &extra)?;
        h = into;
        if level + 1 < levels {
            h = net.downsample(&format!("downs.{level}.2"), h)?;
        }
    }

    let channels = settings.channels(levels - 1);
    h = net.resnet("mid_block1", h, channels, None, &[])?;
    if let Some(attention) = settings.attention {
        h = net.attention(h, attention)?;
    }
    let mid = match joined[levels - 1] {
        Some(joined) => net.b.segments("unet.mid", joined, 0, 1)?,
        None => net.temporary("unet.mid", net.b.shape(h))?,
    };
    net.resnet("mid_block2", h, channels, Some(mid), &[])?;
    h = mid;

    for (j, level) in (1..levels).rev().enumerate() {
        let channels = settings.channels(level - 1);
        let wide = joined[level].expect("every level but the first has a skip");
        h = net.resnet(&format!("ups.{j}.0"), wide, channels, None, &[])?;
        h = net.resnet(&format!("ups.{j}.1"), h, channels, None, &[])?;
        let name = format!("unet.up.{j}");
        let into = match joined[level - 1] {
            Some(joined) => net.b.segments(&name, joined, 0, 1)?,
            None => {
                let small = net.b.shape(h);
                net.temporary(
                    &name,
                    Shape::new(small.n, channels, 2 * small.h, 2 * small.w),
                )?
            }
        };
        net.upsample(&format!("ups.{j}.2"), h, into)?;
        h = into;
    }

    let hidden = settings.hidden;
    let mish = Epilogue::activation(Activation::Mish);
    let into = net.temporary("unet.final", net.b.shape(h).with_channels(hidden))?;
    net.block("final_conv.0", h, into, mish, &[])?;
    let shape = net.b.shape(x);
    let eps = net
        .b
        .value("unet.eps", shape, Role::Temporary, Element::Full)?;
    net.conv("final_conv.1", into, eps, 1, 1, Epilogue::none(), &[])?;
    Ok(eps)
}

struct Unet<'a> {
    b: &'a mut GraphBuilder,
    settings: &'a Settings,
}

impl Unet<'_> {
    fn temporary(&mut self, name: &str, shape: Shape) -> Result<ValueId, GraphError> {
        self.b.value(name, shape, Role::Temporary, Element::Real)
    }

    fn joined(&mut self, level: usize, x: ValueId) -> Result<ValueId, GraphError> {
        let channels = self.settings.channels(level);
        let full = self.b.shape(x);
        let shape = Shape::new(full.n, 2 * channels, full.h >> level, full.w >> level);
        let name = format!("unet.joined.{level}");
        self.b.concat(&name, shape, &[channels, channels])
    }

    /// `block2(block1(x) + time) + res(x) + extra`, with Mish (and, with
    /// groups, GroupNorm) in each block; `extra` are further residuals.
    fn resnet(
        &mut self,
        name: &str,
        x: ValueId,
        channels: usize,
        into: Option<ValueId>,
        extra: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        let shape = self.b.shape(x).with_channels(channels);
        let table = time::table(self.b, self.settings, name, channels)?;
        let hidden = self.temporary(&format!("{name}.hidden"), shape)?;
        let epilogue = Epilogue {
            table_add: true,
            ..Epilogue::activation(Activation::Mish)
        };
        self.block(&format!("{name}.block1"), x, hidden, epilogue, &[table])?;

        let residual = if self.b.shape(x).c == channels {
            x
        } else {
            let residual = self.temporary(&format!("{name}.residual"), shape)?;
            let res_conv = format!("{name}.res_conv");
            self.conv(&res_conv, x, residual, 1, 1, Epilogue::none(), &[])?;
            residual
        };
        let into = match into {
            Some(into) => into,
            None => self.temporary(&format!("{name}.result"), shape)?,
        };
        let residuals: Vec<ValueId> = std::iter::once(residual)
            .chain(extra.iter().copied())
            .collect();
        let epilogue = Epilogue {
            residual_scales: vec![1.0; residuals.len()],
            ..Epilogue::activation(Activation::Mish)
        };
        self.block(
            &format!("{name}.block2"),
            hidden,
            into,
            epilogue,
            &residuals,
        )?;
        Ok(into)
    }

    /// Reflection-padded 3x3 convolution, GroupNorm if the model has it, then
    /// the epilogue.
    fn block(
        &mut self,
        name: &str,
        x: ValueId,
        into: ValueId,
        epilogue: Epilogue,
        operands: &[ValueId],
    ) -> Result<(), GraphError> {
        let conv = format!("{name}.block.1");
        let Some(groups) = self.settings.groups else {
            return self.conv(&conv, x, into, 3, 1, epilogue, operands);
        };
        let shape = self.b.shape(into);
        let raw = self.temporary(&format!("{name}.raw"), shape)?;
        self.conv(&conv, x, raw, 3, 1, Epilogue::none(), &[])?;
        let norm = format!("denoise_fn.{name}.block.2");
        let vector = Shape::vector(shape.c);
        let weight = self.b.parameter(&format!("{norm}.weight"), vector)?;
        let bias = self.b.parameter(&format!("{norm}.bias"), vector)?;
        let op = Op::GroupNorm(GroupNorm {
            groups,
            epsilon: GROUP_NORM_EPSILON,
            epilogue,
        });
        let mut inputs = vec![raw, weight, bias];
        inputs.extend(operands);
        self.b.push_into(&[into], op, &inputs)
    }

    #[allow(clippy::too_many_arguments)] // a convolution has that many
    fn conv(
        &mut self,
        name: &str,
        x: ValueId,
        into: ValueId,
        kernel: usize,
        stride: usize,
        epilogue: Epilogue,
        operands: &[ValueId],
    ) -> Result<(), GraphError> {
        conv_into(
            self.b,
            &format!("denoise_fn.{name}"),
            x,
            into,
            kernel,
            stride,
            epilogue,
            operands,
        )
    }

    fn downsample(&mut self, name: &str, x: ValueId) -> Result<ValueId, GraphError> {
        let shape = self.b.shape(x);
        let half = Shape::new(shape.n, shape.c, shape.h / 2, shape.w / 2);
        let into = self.temporary(name, half)?;
        self.conv(
            &format!("{name}.conv.1"),
            x,
            into,
            3,
            2,
            Epilogue::none(),
            &[],
        )?;
        Ok(into)
    }

    fn upsample(&mut self, name: &str, x: ValueId, into: ValueId) -> Result<(), GraphError> {
        conv_transpose_into(self.b, &format!("denoise_fn.{name}.conv.0"), x, into, 2)
    }

    fn attention(&mut self, x: ValueId, sizes: Attention) -> Result<ValueId, GraphError> {
        let (heads, head_channels) = (sizes.heads, sizes.head_dim);
        let shape = self.b.shape(x);
        let inner = heads * head_channels;
        let qkv = self.temporary("mid_attn.qkv", shape.with_channels(3 * inner))?;
        let name = "denoise_fn.mid_attn.fn.fn.to_qkv.weight";
        let weight = self
            .b
            .parameter(name, Shape::new(3 * inner, shape.c, 1, 1))?;
        let op = Op::Conv2d(Conv2d {
            kernel: 1,
            stride: 1,
            padding: Padding::Zero,
            bias: false,
            epilogue: Epilogue::none(),
        });
        self.b.push_into(&[qkv], op, &[x, weight])?;
        let op = Op::LinearAttention(LinearAttention {
            heads,
            head_channels,
        });
        let attended = self.b.push("mid_attn.attended", op, &[qkv])?;
        let into = self.temporary("mid_attn.result", shape)?;
        // The learnt gate is folded into this layer's weights.
        let epilogue = Epilogue {
            residual_scales: vec![1.0],
            ..Epilogue::none()
        };
        self.conv(
            "mid_attn.fn.fn.to_out",
            attended,
            into,
            1,
            1,
            epilogue,
            &[x],
        )?;
        Ok(into)
    }
}

/// A convolution of the U-Net: reflection padding, with bias.
#[allow(clippy::too_many_arguments)] // a convolution has that many
pub(super) fn conv_into(
    b: &mut GraphBuilder,
    weight: &str,
    x: ValueId,
    into: ValueId,
    kernel: usize,
    stride: usize,
    epilogue: Epilogue,
    operands: &[ValueId],
) -> Result<(), GraphError> {
    let (out, inp) = (b.shape(into).c, b.shape(x).c);
    let w = b.parameter(
        &format!("{weight}.weight"),
        Shape::new(out, inp, kernel, kernel),
    )?;
    let bias = b.parameter(&format!("{weight}.bias"), Shape::vector(out))?;
    let op = Op::Conv2d(Conv2d {
        kernel,
        stride,
        padding: Padding::Reflect,
        bias: true,
        epilogue,
    });
    let mut inputs = vec![x, w, bias];
    inputs.extend(operands);
    b.push_into(&[into], op, &inputs)
}

/// A transposed convolution that enlarges by `stride`.
pub(super) fn conv_transpose_into(
    b: &mut GraphBuilder,
    weight: &str,
    x: ValueId,
    into: ValueId,
    stride: usize,
) -> Result<(), GraphError> {
    let (out, inp) = (b.shape(into).c, b.shape(x).c);
    let shape = Shape::new(inp, out, 2 * stride, 2 * stride);
    let w = b.parameter(&format!("{weight}.weight"), shape)?;
    let bias = b.parameter(&format!("{weight}.bias"), Shape::vector(out))?;
    let op = Op::ConvTranspose2d(ConvTranspose2d { stride });
    b.push_into(&[into], op, &[x, w, bias])
}
