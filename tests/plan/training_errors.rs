//! What the operations of training refuse.

use srdiff::graph::Shape;
use srdiff::ops::{
    Accumulate, Activation, ActivationGradient, Adam, AdamStep, ChannelSum, Conv2d,
    Conv2dWeightGradient, ConvTranspose2dGradient, Dilate, FoldBorder, GroupNormGradient,
    LinearAttentionGradient, Loss, Norm, Op, Padding, SquaredNorms, UpsampleNearestGradient,
};

fn image(c: usize, h: usize, w: usize) -> Shape {
    Shape::new(2, c, h, w)
}

fn assert_refused(op: Op, operands: &[Shape], says: &str) {
    let reason = op.infer(operands).expect_err("does not fit");
    assert!(reason.contains(says), "{}: {reason}", op.name());
}

#[test]
fn gradients_of_convolutions() {
    let x = image(3, 6, 4);
    let backward = Op::Conv2d(Conv2d::backward(3, Padding::Full));
    let weight = Shape::new(3, 5, 3, 3);
    let y = backward.infer(&[x, weight]).expect("fits");
    assert_eq!(y, [image(5, 8, 6)]);
    let turned = Shape::new(5, 3, 3, 3);
    assert_refused(backward, &[x, turned], "the weight must be [3, 3, 3, 3]");
    let full = Op::Conv2d(Conv2d::backward(1, Padding::Full));
    assert_refused(full, &[x, Shape::new(3, 5, 1, 1)], "full padding");
    let strided = |op| Op::Conv2d(Conv2d { stride: 2, ..op });
    let backward = strided(Conv2d::backward(3, Padding::Zero));
    assert_refused(backward, &[x, weight], "does not read its weight backward");
    let full = strided(Conv2d {
        bias: false,
        ..Conv2d::new(3, Padding::Full)
    });
    assert_refused(full, &[x, turned], "full padding");

    let gradient = |kernel, stride, padding| {
        Op::Conv2dWeightGradient(Conv2dWeightGradient {
            kernel,
            stride,
            padding,
        })
    };
    let usual = || gradient(3, 1, Padding::Zero);
    let (dy, zero) = (image(5, 6, 4), Padding::Zero);
    assert_refused(usual(), &[x], "takes 2 operands (x, dy)");
    assert_refused(usual(), &[x, image(5, 6, 3)], "dy must be [2, 5, 6, 4]");
    let other_batch = Shape::new(1, 5, 6, 4);
    assert_refused(usual(), &[x, other_batch], "dy must be [2, 5, 6, 4]");
    let half = gradient(3, 2, zero);
    assert_refused(half, &[x, dy], "dy must be [2, 5, 3, 2]");
    for (kernel, stride) in [(5, 1), (1, 2), (3, 3), (2, 1), (6, 3), (4, 1), (0, 0)] {
        let op = gradient(kernel, stride, zero);
        assert_refused(
            op,
            &[x, dy],
            &format!("kernel {kernel} with stride {stride}"),
        );
    }
    assert_refused(gradient(3, 1, Padding::Full), &[x, dy], "Full padding");
    let reflect = Padding::Reflect;
    assert_refused(gradient(1, 1, reflect), &[x, dy], "Reflect padding");
    assert_refused(gradient(4, 2, reflect), &[x, dy], "Reflect padding");
    let (narrow, of_narrow) = (image(3, 6, 1), image(5, 6, 1));
    let reflects = gradient(3, 1, reflect);
    assert_refused(reflects, &[narrow, of_narrow], "Reflect padding");
    let (odd, of_odd) = (image(3, 6, 5), image(5, 3, 3));
    assert_refused(gradient(4, 2, zero), &[odd, of_odd], "multiples of 2");
}

#[test]
fn gradients_of_transposed_convolutions() {
    let op = |stride| Op::ConvTranspose2dGradient(ConvTranspose2dGradient { stride });
    let (dy, weight) = (image(3, 6, 4), Shape::new(5, 3, 4, 4));
    assert_eq!(op(2).infer(&[dy, weight]).expect("fits"), [image(5, 3, 2)]);
    for stride in [0, 1, 3] {
        assert_refused(op(stride), &[dy, weight], "is not supported");
    }
    assert_refused(op(2), &[dy], "takes 2 operands (dy, weight)");
    let turned = Shape::new(3, 5, 4, 4);
    assert_refused(op(2), &[dy, turned], "the weight must be [3, 3, 4, 4]");
    assert_refused(op(2), &[image(3, 6, 5), weight], "multiples of 2");
    assert_refused(op(2), &[image(3, 5, 4), weight], "multiples of 2");
}

#[test]
fn gradients_of_borders_and_sizes() {
    let op = |stride, height, width| {
        Op::Dilate(Dilate {
            stride,
            height,
            width,
        })
    };
    let x = image(3, 3, 2);
    assert_eq!(op(2, 5, 4).infer(&[x]).expect("fits"), [image(3, 5, 4)]);
    assert_refused(op(2, 5, 4), &[x, x], "takes 1 operands");
    assert_refused(op(0, 5, 4), &[x], "at least 1");
    assert_refused(op(2, 4, 4), &[x], "does not fill 4x4");
    assert_refused(op(2, 5, 5), &[x], "does not fill 5x5");

    let op = |padding| Op::FoldBorder(FoldBorder { padding });
    assert_refused(op(Padding::Zero), &[], "takes 1 operands");
    assert_refused(op(Padding::Full), &[image(3, 5, 5)], "is not folded");
    assert_refused(op(Padding::Zero), &[image(3, 2, 5)], "at least 3 pixels");
    assert_refused(op(Padding::Reflect), &[image(3, 5, 3)], "at least 4 pixels");

    let op = |factor| Op::UpsampleNearestGradient(UpsampleNearestGradient { factor });
    assert_refused(op(2), &[], "takes 1 operands");
    assert_refused(op(0), &[x], "the 0-fold");
    assert_refused(op(2), &[image(3, 3, 4)], "the 2-fold");
    assert_refused(op(2), &[image(3, 4, 3)], "the 2-fold");
}

#[test]
fn gradients_of_norms_attention_and_activations() {
    let (x, vector) = (image(6, 3, 5), Shape::vector(6));
    let op = |groups| {
        Op::GroupNormGradient(GroupNormGradient {
            groups,
            epsilon: 1e-5,
        })
    };
    assert_refused(op(2), &[x, x], "takes 3 operands (x, dy, weight)");
    for groups in [0, 4] {
        assert_refused(op(groups), &[x, x, vector], "do not divide");
    }
    assert_refused(op(2), &[x, image(6, 3, 4), vector], "dy must be");
    assert_refused(op(2), &[x, x, Shape::vector(5)], "the weight must be");

    let op = |heads, head_channels| {
        Op::LinearAttentionGradient(LinearAttentionGradient {
            heads,
            head_channels,
        })
    };
    let (qkv, dy) = (image(24, 3, 5), image(8, 3, 5));
    assert_refused(op(2, 4), &[qkv], "takes 2 operands (qkv, dy)");
    for head_channels in [0, 6] {
        assert_refused(op(2, head_channels), &[qkv, dy], "a multiple of 4 channels");
    }
    assert_refused(op(3, 4), &[qkv, dy], "qkv must have 3 * 3 * 4 channels");
    assert_refused(op(usize::MAX, 4), &[qkv, dy], "qkv must have");
    assert_refused(op(2, 4), &[qkv, qkv], "dy must be [2, 8, 3, 5]");

    let op = || {
        Op::ActivationGradient(ActivationGradient {
            activation: Activation::Mish,
            scale: 1.0,
        })
    };
    assert_refused(op(), &[x], "takes 2 operands (x, dy)");
    assert_refused(op(), &[x, image(6, 5, 3)], "dy must be [2, 6, 3, 5]");
    let op = Op::ChannelSum(ChannelSum { per_sample: true });
    assert_refused(op, &[x, x], "takes 1 operands");
}

#[test]
fn losses_and_the_optimizer() {
    let (x, scalar) = (image(3, 3, 5), Shape::vector(1));
    let op = || Op::Loss(Loss { norm: Norm::L1 });
    let three = "takes 3 operands (prediction, target, scale)";
    assert_refused(op(), &[x, x], three);
    assert_refused(op(), &[x, image(3, 5, 3), scalar], "the target must be");
    assert_refused(op(), &[x, x, Shape::vector(2)], "the scale must be");

    let op = || Op::Accumulate(Accumulate {});
    assert_refused(op(), &[x], "takes 2 operands (total, x)");
    assert_refused(op(), &[x, image(3, 5, 3)], "x must be [2, 3, 3, 5]");
    assert_refused(
        Op::SquaredNorms(SquaredNorms {}),
        &[],
        "at least one operand",
    );

    let op = || {
        Op::Adam(Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        })
    };
    let operands = [x, x, x, x, x, AdamStep::SHAPE];
    assert_eq!(op().infer(&operands).expect("fits"), [x; 4]);
    assert_refused(op(), &operands[..5], "takes 6 operands");
    for index in 1..5 {
        let mut wrong = operands;
        wrong[index] = image(3, 5, 3);
        assert_refused(op(), &wrong, "every tensor must be [2, 3, 3, 5]");
    }
    let mut wrong = operands;
    wrong[5] = Shape::vector(6);
    assert_refused(op(), &wrong, "the step must be [1, 7, 1, 1]");
}
