//! The gradients of each operation's operands.

use super::{Backward, Result};
use crate::graph::{Node, Shape, ValueId};
use crate::ops::{
    Activation, ActivationGradient, ChannelSum, Conv2d, Conv2dWeightGradient,
    ConvTranspose2dGradient, Dilate, FoldBorder, GroupNormGradient, LinearAttentionGradient, Op,
    Padding, Pointwise, UpsampleNearestGradient,
};

impl Backward<'_> {
    /// Appends the gradients of a node's operands.
    pub(super) fn node(&mut self, node: &Node) -> Result<()> {
        let y = node.outputs[0];
        if !node.inputs.iter().any(|&id| self.depends(id)) {
            return Ok(());
        }
        if let Op::Pointwise(op) = &node.op {
            return match self.scaled(y)? {
                Some((dy, scale)) => self.pointwise(node, op, dy, scale),
                None => Ok(()),
            };
        }
        let Some(dy) = self.gradient(y)? else {
            return Ok(());
        };
        let is_fused = node
            .op
            .epilogue()
            .is_some_and(|(epilogue, _)| !epilogue.is_identity());
        if is_fused {
            return Err(self.wrong(y, "is made by a fused operation"));
        }
        let x = node.inputs[0];
        match &node.op {
            Op::Conv2d(op) => self.conv2d(node, op, dy),
            Op::ConvTranspose2d(op) => {
                let (weight, stride) = (node.inputs[1], op.stride);
                let gradient = Op::Conv2dWeightGradient(Conv2dWeightGradient {
                    kernel: 2 * stride,
                    stride,
                    padding: Padding::Zero,
                });
                self.weight_and_bias(node, gradient, [dy, x], dy)?;
                let gradient = Op::ConvTranspose2dGradient(ConvTranspose2dGradient { stride });
                self.operand(x, gradient, &[dy, weight])
            }
            Op::Linear(_) => {
                // A convolution over rows, each an image of one pixel.
                self.weight_and_bias(node, weight_gradient(&pixel()), [x, dy], dy)?;
                let gradient = Op::Conv2d(Conv2d::backward(1, Padding::Zero));
                self.operand(x, gradient, &[dy, node.inputs[1]])
            }
            Op::GroupNorm(op) => {
                let dx = self.like(x)?;
                let (weight, bias) = (node.inputs[1], node.inputs[2]);
                let gradient = Op::GroupNormGradient(GroupNormGradient {
                    groups: op.groups,
                    epsilon: op.epsilon,
                });
                let operands = [self.fresh(x)?, dy, weight];
                self.parameters(&[weight, bias], &[dx], gradient, &operands)?;
                self.add(x, dx, 1.0)
            }
            Op::LinearAttention(op) => {
                let gradient = Op::LinearAttentionGradient(LinearAttentionGradient {
                    heads: op.heads,
                    head_channels: op.head_channels,
                });
                let qkv = self.fresh(x)?;
                self.operand(x, gradient, &[qkv, dy])
            }
            Op::UpsampleNearest(op) => {
                let factor = op.factor;
                let gradient = Op::UpsampleNearestGradient(UpsampleNearestGradient { factor });
                self.operand(x, gradient, &[dy])
            }
            op => {
                let reason = format!("is made by {}, which has no gradient", op.name());
                Err(self.wrong(y, &reason))
            }
        }
    }

    /// Adds what an operation makes to the gradient of an operand, if anyone asks.
    fn operand(&mut self, x: ValueId, op: Op, inputs: &[ValueId]) -> Result<()> {
        if !self.depends(x) {
            return Ok(());
        }
        let dx = self.push_like(x, op, inputs)?;
        self.add(x, dx, 1.0)
    }

    /// `scale * dy` is the gradient of the node's result.
    fn pointwise(&mut self, node: &Node, op: &Pointwise, dy: ValueId, scale: f32) -> Result<()> {
        let (epilogue, x, y) = (&op.epilogue, node.inputs[0], node.outputs[0]);
        let factor = scale * epilogue.scale;
        if self.depends(x) {
            if epilogue.activation == Activation::None {
                self.add(x, dy, factor)?;
            } else {
                let activation = epilogue.activation;
                // Where the result tells as much as the operand, that can be
                // fused away.
                let is_leaky = matches!(activation, Activation::LeakyRelu { .. });
                let alone = *op == Pointwise::activation(activation);
                let x_or_y = if is_leaky && alone { y } else { x };
                let gradient = Op::ActivationGradient(ActivationGradient {
                    activation,
                    scale: factor,
                });
                let x_or_y = self.fresh(x_or_y)?;
                self.operand(x, gradient, &[x_or_y, dy])?;
            }
        }
        let mut others = node.inputs[1..].iter();
        if epilogue.table_add
            && let Some(&table) = others.next()
            && self.depends(table)
        {
            if self.b.shape(table).n != self.b.shape(y).n {
                return Err(self.wrong(table, "has not one row for each sample"));
            }
            let sum = Op::ChannelSum(ChannelSum { per_sample: true });
            let sum = self.push_like(table, sum, &[dy])?;
            self.add(table, sum, scale)?;
        }
        for (&residual, factor) in others.zip(&epilogue.residual_scales) {
            if self.depends(residual) {
                self.add(residual, dy, scale * factor)?;
            }
        }
        Ok(())
    }

    fn conv2d(&mut self, node: &Node, op: &Conv2d, dy: ValueId) -> Result<()> {
        let (x, weight) = (node.inputs[Conv2d::X], node.inputs[Conv2d::WEIGHT]);
        self.weight_and_bias(node, weight_gradient(op), [x, dy], dy)?;
        if !self.depends(x) {
            return Ok(());
        }
        if op.kernel == 1 || (op.stride, op.padding) == (1, Padding::Zero) {
            let gradient = Op::Conv2d(Conv2d::backward(op.kernel, Padding::Zero));
            return self.operand(x, gradient, &[dy, weight]);
        }
        let Shape { h, w, .. } = self.b.shape(x);
        let mut dy = dy;
        if op.stride > 1 {
            let dilate = Op::Dilate(Dilate {
                stride: op.stride,
                height: h,
                width: w,
            });
            dy = self.push(dy, dilate, &[dy])?;
        }
        let full = Op::Conv2d(Conv2d::backward(op.kernel, Padding::Full));
        let padded = self.push(x, full, &[dy, weight])?;
        let padding = op.padding;
        self.operand(x, Op::FoldBorder(FoldBorder { padding }), &[padded])
    }

    /// The gradients of a layer's weight, by an operation, and of its bias.
    fn weight_and_bias(
        &mut self,
        node: &Node,
        op: Op,
        operands: [ValueId; 2],
        dy: ValueId,
    ) -> Result<()> {
        let weight = node.inputs[1];
        if self.depends(weight) {
            let operands = [self.fresh(operands[0])?, self.fresh(operands[1])?];
            self.parameter(weight, op, &operands)?;
        }
        match node.inputs.get(2) {
            Some(&bias) if self.depends(bias) => {
                let sum = Op::ChannelSum(ChannelSum { per_sample: false });
                self.parameter(bias, sum, &[dy])
            }
            _ => Ok(()),
        }
    }
}

fn pixel() -> Conv2d {
    Conv2d::new(1, Padding::Zero)
}

fn weight_gradient(op: &Conv2d) -> Op {
    Op::Conv2dWeightGradient(Conv2dWeightGradient {
        kernel: op.kernel,
        stride: op.stride,
        padding: if op.kernel == 1 {
            Padding::Zero
        } else {
            op.padding
        },
    })
}
