//! Operands that do not fit are refused with a sentence that names the
//! operation and the dimensions.

use super::errors::{conv, with_inputs};
use srdiff::graph::Shape;
use srdiff::ops::{
    ConvTranspose2d, Epilogue, EstimateX0, GroupNorm, Linear, LinearAttention, Noise, NoiseSource,
    Op, Pack, Packing, Pointwise, Reconstruct, SamplerUpdate, UpsampleBicubic, UpsampleNearest,
};

fn residuals(count: usize) -> Epilogue {
    Epilogue {
        residual_scales: vec![1.0; count],
        ..Epilogue::none()
    }
}

#[test]
fn every_operation_refuses_shapes_that_do_not_fit() {
    let x = Shape::new(2, 6, 4, 5);
    let w = |out, inp, k| Shape::new(out, inp, k, k);
    let v = Shape::vector;
    let norm = |groups| {
        Op::GroupNorm(GroupNorm {
            groups,
            epsilon: 1e-5,
            epilogue: Epilogue::none(),
        })
    };
    let attention = |head_channels| {
        Op::LinearAttention(LinearAttention {
            heads: 2,
            head_channels,
        })
    };
    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Replayed,
    });
    let pointwise = |epilogue| Op::Pointwise(Pointwise { epilogue });
    let pack = Op::Pack(Pack {
        packing: Packing::vector(v(6), 8),
    });
    let none = Epilogue::none;
    let table = Epilogue {
        table_add: true,
        ..none()
    };
    let cases: Vec<(Op, Vec<Shape>, &str)> = vec![
        (conv(5, 1, none()), vec![x, w(8, 6, 5), v(8)], "kernel 5"),
        (conv(1, 2, none()), vec![x, w(8, 6, 1), v(8)], "stride 2"),
        (conv(3, 1, none()), vec![x], "takes 3 operands"),
        (
            Op::Noise(Noise {
                shape: Shape::new(13, 3, 2, 2),
            }),
            vec![],
            "at most 12 batch elements",
        ),
        (
            conv(3, 1, none()),
            vec![x, w(8, 7, 3), v(8)],
            "the weight must be [8, 6, 3, 3], but is [8, 7, 3, 3]",
        ),
        (
            conv(3, 1, none()),
            vec![x, w(8, 6, 3), v(9)],
            "the bias must be [1, 8, 1, 1]",
        ),
        (
            conv(3, 1, none()),
            vec![Shape::new(1, 6, 1, 5), w(8, 6, 3), v(8)],
            "at least 2 pixels",
        ),
        (
            conv(3, 1, residuals(1)),
            vec![x, w(8, 6, 3), v(8), x],
            "a residual must be [2, 8, 4, 5]",
        ),
        (
            conv(3, 1, residuals(3)),
            vec![x, w(8, 6, 3), v(8), x, x, x],
            "at most 2 residuals, not 3",
        ),
        (
            conv(3, 1, residuals(1)),
            vec![x, w(8, 6, 3), v(8)],
            "takes 1 operands, but was given 0",
        ),
        (
            conv(3, 1, table),
            vec![x, w(8, 6, 3), v(8), Shape::matrix(9, 7)],
            "[rows, 8, 1, 1], but is [9, 7, 1, 1]",
        ),
        (
            Op::ConvTranspose2d(ConvTranspose2d { stride: 3 }),
            vec![x, w(6, 8, 6), v(8)],
            "stride 3 is not supported",
        ),
        (
            Op::ConvTranspose2d(ConvTranspose2d { stride: 2 }),
            vec![x, w(5, 8, 4), v(8)],
            "the weight must be [6, 8, 4, 4]",
        ),
        (
            norm(4),
            vec![x, v(6), v(6)],
            "6 channels do not divide into 4",
        ),
        (norm(0), vec![x, v(6), v(6)], "into 0 groups"),
        (norm(3), vec![x, v(6), v(5)], "the bias must be"),
        (
            Op::Linear(Linear {}),
            vec![x, Shape::matrix(3, 6), v(3)],
            "x must be [2, 6, 1, 1]",
        ),
        (
            Op::Linear(Linear {}),
            vec![Shape::matrix(9, 6), Shape::matrix(3, 5), v(3)],
            "the weight must be [3, 6, 1, 1]",
        ),
        (attention(3), vec![x], "multiple of 4 channels, not 3"),
        (attention(4), vec![x], "3 * 2 * 4 channels"),
        (
            attention(1 << 62),
            vec![x],
            "3 * 2 * 4611686018427387904 channels",
        ),
        (pack, vec![v(7)], "the plain tensor must be [1, 6, 1, 1]"),
        (
            pointwise(none()),
            vec![x, x],
            "takes 0 operands, but was given 1",
        ),
        (pointwise(none()), vec![], "takes 1 operands"),
        (
            pointwise(residuals(2)),
            vec![x, x],
            "takes 2 operands, but was given 1",
        ),
        (
            pointwise(residuals(1)),
            vec![x, w(2, 6, 4)],
            "a residual must be [2, 6, 4, 5]",
        ),
        (
            Op::EstimateX0(EstimateX0 {}),
            vec![x, w(2, 6, 4)],
            "eps must be [2, 6, 4, 5]",
        ),
        (
            Op::UpsampleNearest(UpsampleNearest { factor: 1 << 62 }),
            vec![x],
            "is too large",
        ),
        (
            Op::UpsampleBicubic(UpsampleBicubic { factor: 1 << 62 }),
            vec![x],
            "is too large",
        ),
        (
            Op::ConvTranspose2d(ConvTranspose2d { stride: 1 << 63 }),
            vec![x, w(6, 8, usize::MAX), v(8)],
            "is too large",
        ),
        (
            Op::UpsampleNearest(UpsampleNearest { factor: 0 }),
            vec![x],
            "the factor must be at least 1",
        ),
        (
            Op::Reconstruct(Reconstruct { res_rescale: 2.0 }),
            vec![x, w(2, 6, 4)],
            "up must be [2, 6, 4, 5]",
        ),
        (update.clone(), vec![x, x, x], "takes 4 operands"),
        (update, vec![x, x, w(2, 6, 4), x], "every operand must be"),
    ];
    for (op, shapes, reason) in cases {
        let (mut b, inputs) = with_inputs(&shapes);
        let error = b.push("the result", op.clone(), &inputs).unwrap_err();
        let message = error.to_string();
        let start = format!("{} 'the result': ", op.name());
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains(reason), "{message} does not say: {reason}");
    }
}
