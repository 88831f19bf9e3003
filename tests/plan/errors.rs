//! Mistakes in graphs are refused with a sentence that names operation and value.

use srdiff::graph::{
    Element, GraphBuilder, GraphError, Layout, PlanError, PlanOptions, Precision, Role, Shape,
    ValueId, plan,
};
use srdiff::ops::{
    Conv2d, ConvTranspose2d, Copy, Epilogue, GroupNorm, ImagePack, ImageUnpack, Linear,
    LinearAttention, Mish, Noise, NoiseSource, Op, Padding, Reconstruct, SamplerUpdate,
    UpsampleNearest,
};

const OPTIONS: PlanOptions = PlanOptions {
    layout: Layout::ChannelsLast,
    precision: Precision::F32,
};

fn conv(kernel: usize, stride: usize, epilogue: Epilogue) -> Op {
    Op::Conv2d(Conv2d {
        kernel,
        stride,
        padding: Padding::Reflect,
        bias: true,
        epilogue,
    })
}

fn residuals(count: usize) -> Epilogue {
    Epilogue {
        residual_scales: vec![1.0; count],
        ..Epilogue::none()
    }
}

/// A graph with an input of each of these shapes.
fn with_inputs(shapes: &[Shape]) -> (GraphBuilder, Vec<ValueId>) {
    let mut b = GraphBuilder::new("phase");
    let mut inputs = Vec::new();
    for (index, &shape) in shapes.iter().enumerate() {
        let name = format!("in{index}");
        let id = b.value(&name, shape, Role::Input, Element::Real);
        inputs.push(id.expect("names differ"));
    }
    (b, inputs)
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
    let unpack = Op::ImageUnpack(ImageUnpack {
        scale: 1.0,
        shift: 0.0,
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
        (unpack, vec![x], "pixels must have one channel"),
        (Op::ImagePack(ImagePack {}), vec![x], "must have 3 channels"),
        (Op::Mish(Mish {}), vec![x, x], "takes 1 operands"),
        (Op::Copy(Copy {}), vec![], "takes 1 operands"),
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

#[test]
fn a_result_must_have_the_shape_of_its_place() {
    let (mut b, inputs) = with_inputs(&[Shape::new(1, 4, 3, 3)]);
    let wide = Shape::new(1, 5, 3, 3);
    let into = b.value("place", wide, Role::Temporary, Element::Real);
    let error = b.push_into(&[into.unwrap()], Op::Mish(Mish {}), &inputs);
    assert_eq!(
        error.unwrap_err().to_string(),
        "mish 'place': gives [1, 4, 3, 3], but is to be written into [1, 5, 3, 3]"
    );
}

#[test]
fn names_are_unique() {
    let (mut b, inputs) = with_inputs(&[Shape::new(1, 4, 3, 3)]);
    let error = b.push("in0", Op::Mish(Mish {}), &inputs).unwrap_err();
    assert!(matches!(error, GraphError::DuplicateName { .. }));
    assert_eq!(
        error.to_string(),
        "graph 'phase': a value named 'in0' exists already; give each value its own name"
    );
    b.parameter("w", Shape::vector(3)).expect("new");
    b.parameter("w", Shape::vector(3)).expect("the same again");
    let error = b.parameter("w", Shape::vector(4)).unwrap_err();
    assert!(error.to_string().contains("named 'w'"), "{error}");
}

#[test]
fn nothing_is_read_before_it_is_written() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 8, 3, 3);
    let array = b.concat("array", shape, &[3, 5]).unwrap();
    let left = b.segments("left", array, 0, 1).unwrap();
    let right = b.segments("right", array, 1, 1).unwrap();
    let x = b.value("x", shape.with_channels(3), Role::Input, Element::Real);
    b.push_into(&[left], Op::Copy(Copy {}), &[x.unwrap()])
        .expect("left is written");
    for (read, name) in [(array, "array"), (right, "right")] {
        let error = b.push("y", Op::Mish(Mish {}), &[read]).unwrap_err();
        assert!(matches!(error, GraphError::ReadBeforeWrite { .. }));
        assert_eq!(
            error.to_string(),
            format!("graph 'phase': mish reads '{name}' before anything has written it")
        );
    }
    b.push("y", Op::Mish(Mish {}), &[left]).expect("written");
}

#[test]
fn inputs_and_weights_are_not_written() {
    let (mut b, inputs) = with_inputs(&[Shape::vector(4), Shape::vector(4)]);
    let weight = b.parameter("weight", Shape::vector(4)).unwrap();
    for (into, name) in [(inputs[1], "in1"), (weight, "weight")] {
        let error = b.push_into(&[into], Op::Mish(Mish {}), &inputs[..1]);
        assert_eq!(
            error.unwrap_err().to_string(),
            format!(
                "graph 'phase': mish writes '{name}', which is an input or a weight; give it a result of its own"
            )
        );
    }
}

#[test]
fn a_result_does_not_lie_over_an_operand() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 4, 3, 3);
    let state = |b: &mut GraphBuilder, name: &str| {
        b.value(name, shape, Role::State, Element::Full).unwrap()
    };
    let (x, x0) = (state(&mut b, "x"), state(&mut b, "x0"));
    let eps = b.value("eps", shape, Role::Input, Element::Full).unwrap();
    let error = b.push_into(&[x], Op::Mish(Mish {}), &[x]).unwrap_err();
    assert!(matches!(error, GraphError::Overlap { .. }));
    assert_eq!(
        error.to_string(),
        "graph 'phase': mish writes 'x' over 'x', which the same step uses; give it a result of its own"
    );

    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Generated,
    });
    b.push_into(&[x, x0], update.clone(), &[x, x0, eps])
        .expect("the update works in place");
    for into in [[x0, x], [x, x]] {
        let error = b.push_into(&into, update.clone(), &[x, x0, eps]);
        assert!(matches!(error, Err(GraphError::Overlap { .. })));
    }

    let array = b.concat("array", Shape::new(1, 8, 3, 3), &[4, 4]).unwrap();
    let left = b.segments("left", array, 0, 1).unwrap();
    let right = b.segments("right", array, 1, 1).unwrap();
    b.push_into(&[left], Op::Copy(Copy {}), &[eps]).unwrap();
    b.push_into(&[right], Op::Copy(Copy {}), &[left])
        .expect("another group of the same array");
    let whole = conv(1, 1, Epilogue::none());
    let weight = b.parameter("w", Shape::new(4, 8, 1, 1)).unwrap();
    let bias = b.parameter("b", Shape::vector(4)).unwrap();
    let error = b.push_into(&[right], whole, &[array, weight, bias]);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("writes 'right' over 'array'")
    );
}

#[test]
fn phases_must_agree_about_what_they_share() {
    let graph = |name: &str, shape: Shape, element: Element| {
        let mut b = GraphBuilder::new(name);
        let x = b.value("shared", shape, Role::State, element).unwrap();
        b.push("y", Op::Copy(Copy {}), &[x]).unwrap();
        b.build()
    };
    let shape = Shape::new(1, 4, 3, 3);
    let first = graph("first", shape, Element::Full);
    let cases = [
        (
            shape.with_channels(5),
            Element::Full,
            "[1, 5, 3, 3] of real numbers in f32",
        ),
        (shape, Element::Real, "[1, 4, 3, 3] of real numbers in"),
        (shape, Element::Pixel, "[1, 4, 3, 3] of pixels"),
    ];
    for (shape, element, second) in cases {
        let graphs = [first.clone(), graph("second", shape, element)];
        let message = plan(&graphs, OPTIONS).unwrap_err().to_string();
        let start = "value 'shared' is [1, 4, 3, 3] of real numbers in f32 in one phase and ";
        assert!(
            message.starts_with(&format!("{start}{second}")),
            "{message}"
        );
        assert!(message.contains("phase 'second'"), "{message}");
    }
    plan(&[first.clone(), first], OPTIONS).expect("the same twice");
}

#[test]
fn a_temporary_that_no_step_uses_is_refused() {
    let mut b = GraphBuilder::new("phase");
    b.value("idle", Shape::vector(4), Role::Temporary, Element::Real)
        .unwrap();
    let error = plan(&[b.build()], OPTIONS).unwrap_err();
    assert!(matches!(error, PlanError::Unused { .. }));
    assert_eq!(
        error.to_string(),
        "phase 'phase': no step reads or writes 'idle'; leave it out of the graph"
    );
}
