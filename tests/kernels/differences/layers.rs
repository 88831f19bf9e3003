//! Layers and their gradients, as they are put together of operations.

use super::{Layer, apply, results};
use crate::reference::Tensor;
use srdiff::graph::Shape;
use srdiff::ops::{
    Activation, ActivationGradient, ChannelSum, Conv2d, Conv2dWeightGradient, ConvTranspose2d,
    ConvTranspose2dGradient, Dilate, Epilogue, FoldBorder, GroupNorm, GroupNormGradient, Linear,
    LinearAttention, LinearAttentionGradient, Loss, Norm, Op, Padding, Pointwise, UpsampleNearest,
    UpsampleNearestGradient,
};

fn bias_gradient(dy: &Tensor) -> Tensor {
    apply(Op::ChannelSum(ChannelSum { per_sample: false }), &[dy])
}

pub fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (kernel, stride) in [(1, 1), (3, 1), (3, 2)] {
        for padding in [Padding::Zero, Padding::Reflect] {
            for size in [(2, 3), (5, 4), (7, 13)] {
                if kernel == 3 || padding == Padding::Zero {
                    layers.push(convolution(kernel, stride, padding, size));
                }
            }
        }
    }
    for (stride, size) in [(2, (1, 1)), (2, (3, 2)), (4, (2, 3)), (6, (1, 2))] {
        layers.push(transposed_convolution(stride, size));
    }
    layers.push(fully_connected());
    for (groups, channels) in [(1, 3), (2, 6), (3, 3)] {
        layers.push(group_norm(groups, channels));
    }
    for (heads, size) in [(1, (1, 7)), (2, (3, 2)), (2, (1, 1))] {
        layers.push(attention(heads, size));
    }
    for activation in [
        Activation::None,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Mish,
    ] {
        layers.push(pointwise(activation));
    }
    layers.push(table_row());
    for factor in [1, 2, 3] {
        layers.push(upsample(factor));
    }
    layers.push(loss(Norm::L1));
    layers.push(loss(Norm::L2));
    layers
}

fn convolution(kernel: usize, stride: usize, padding: Padding, (h, w): (usize, usize)) -> Layer {
    let op = Conv2d {
        stride,
        ..Conv2d::new(kernel, padding)
    };
    let operands = [
        Shape::new(2, 3, h, w),
        Shape::new(2, 3, kernel, kernel),
        Shape::vector(2),
    ];
    let name = format!("conv2d {kernel}x{kernel} s{stride} {padding:?} {h}x{w}");
    let gradient = move |operands: &[Tensor], dy: &Tensor| {
        let (x, weight) = (&operands[0], &operands[1]);
        let backward = |padding| Op::Conv2d(Conv2d::backward(kernel, padding));
        // What is seen beyond the border belongs to pixels inside.
        let dilate = Op::Dilate(Dilate {
            stride,
            height: h,
            width: w,
        });
        let dilated = apply(dilate, &[dy]);
        let dx = match kernel {
            1 => apply(backward(padding), &[dy, weight]),
            _ => {
                let padded = apply(backward(Padding::Full), &[&dilated, weight]);
                apply(Op::FoldBorder(FoldBorder { padding }), &[&padded])
            }
        };
        if padding == Padding::Zero {
            let direct = apply(backward(padding), &[&dilated, weight]);
            let both = direct.data.iter().zip(&dx.data);
            assert!(both.into_iter().all(|(a, b)| (a - b).abs() < 1e-12));
        }
        let of_weight = Op::Conv2dWeightGradient(Conv2dWeightGradient {
            kernel,
            stride,
            padding,
        });
        vec![dx, apply(of_weight, &[x, dy]), bias_gradient(dy)]
    };
    Layer::new(name, Op::Conv2d(op), &operands, gradient).linear()
}

fn transposed_convolution(stride: usize, (h, w): (usize, usize)) -> Layer {
    let side = 2 * stride;
    let operands = [
        Shape::new(2, 3, h, w),
        Shape::new(3, 2, side, side),
        Shape::vector(2),
    ];
    let op = Op::ConvTranspose2d(ConvTranspose2d { stride });
    let name = format!("conv_transpose2d s{stride} {h}x{w}");
    let gradient = move |operands: &[Tensor], dy: &Tensor| {
        let (x, weight) = (&operands[0], &operands[1]);
        let of_x = Op::ConvTranspose2dGradient(ConvTranspose2dGradient { stride });
        let of_weight = Op::Conv2dWeightGradient(Conv2dWeightGradient {
            kernel: side,
            stride,
            padding: Padding::Zero,
        });
        vec![
            apply(of_x, &[dy, weight]),
            apply(of_weight, &[dy, x]),
            bias_gradient(dy),
        ]
    };
    Layer::new(name, op, &operands, gradient).linear()
}

fn fully_connected() -> Layer {
    let operands = [Shape::matrix(3, 5), Shape::matrix(7, 5), Shape::vector(7)];
    let gradient = |operands: &[Tensor], dy: &Tensor| {
        let of_x = Op::Conv2d(Conv2d::backward(1, Padding::Zero));
        let of_weight = Op::Conv2dWeightGradient(Conv2dWeightGradient {
            kernel: 1,
            stride: 1,
            padding: Padding::Zero,
        });
        vec![
            apply(of_x, &[dy, &operands[1]]),
            apply(of_weight, &[&operands[0], dy]),
            bias_gradient(dy),
        ]
    };
    Layer::new("linear", Op::Linear(Linear {}), &operands, gradient).linear()
}

fn group_norm(groups: usize, channels: usize) -> Layer {
    let epsilon = 1e-5;
    let op = Op::GroupNorm(GroupNorm {
        groups,
        epsilon,
        epilogue: Epilogue::none(),
    });
    let vector = Shape::vector(channels);
    let operands = [Shape::new(2, channels, 3, 5), vector, vector];
    let name = format!("group_norm, {groups} groups of {channels} channels");
    Layer::new(name, op, &operands, move |operands, dy| {
        let op = Op::GroupNormGradient(GroupNormGradient { groups, epsilon });
        results(&op, &[operands[0].clone(), dy.clone(), operands[1].clone()])
    })
}

fn attention(heads: usize, (h, w): (usize, usize)) -> Layer {
    let head_channels = 4;
    let op = Op::LinearAttention(LinearAttention {
        heads,
        head_channels,
    });
    let qkv = Shape::new(2, 3 * heads * head_channels, h, w);
    let name = format!("linear_attention, {heads} heads, {h}x{w}");
    Layer::new(name, op, &[qkv], move |operands, dy| {
        let op = LinearAttentionGradient {
            heads,
            head_channels,
        };
        vec![apply(Op::LinearAttentionGradient(op), &[&operands[0], dy])]
    })
}

fn pointwise(activation: Activation) -> Layer {
    let scale = -1.5;
    let op = Op::Pointwise(Pointwise {
        epilogue: Epilogue {
            scale,
            ..Epilogue::activation(activation)
        },
    });
    let shape = Shape::new(2, 5, 3, 7);
    let name = format!("pointwise {activation:?}");
    Layer::new(name, op, &[shape], move |operands, dy| {
        let op = Op::ActivationGradient(ActivationGradient { activation, scale });
        vec![apply(op, &[&operands[0], dy])]
    })
}

fn table_row() -> Layer {
    let op = Op::Pointwise(Pointwise::add_table_row());
    let operands = [Shape::new(3, 5, 2, 7), Shape::matrix(3, 5)];
    let gradient = |_: &[Tensor], dy: &Tensor| {
        let sum = Op::ChannelSum(ChannelSum { per_sample: true });
        vec![dy.clone(), apply(sum, &[dy])]
    };
    Layer::new("a table's row", op, &operands, gradient).linear()
}

fn upsample(factor: usize) -> Layer {
    let op = Op::UpsampleNearest(UpsampleNearest { factor });
    let name = format!("upsample_nearest x{factor}");
    let gradient = move |_: &[Tensor], dy: &Tensor| {
        let op = UpsampleNearestGradient { factor };
        vec![apply(Op::UpsampleNearestGradient(op), &[dy])]
    };
    Layer::new(name, op, &[Shape::new(2, 3, 3, 2)], gradient).linear()
}

fn loss(norm: Norm) -> Layer {
    let op = Op::Loss(Loss { norm });
    let shape = Shape::new(2, 3, 3, 5);
    let operands = [shape, shape, Shape::vector(1)];
    let gradient = move |operands: &[Tensor], dy: &Tensor| {
        // The loss is not scaled: what it is multiplied with is the scale.
        let operands = [operands[0].clone(), operands[1].clone(), dy.clone()];
        vec![results(&Op::Loss(Loss { norm }), &operands).swap_remove(Loss::GRADIENT)]
    };
    Layer {
        result: Loss::LOSS,
        ..Layer::new(format!("loss {norm:?}"), op, &operands, gradient)
    }
}
