//! Mistakes in graphs are refused with a sentence that names operation and value.

use super::models::{Setup, setups};
use srdiff::exec::PrepareOptions;
use srdiff::graph::{Element, Graph, GraphBuilder, GraphError, Role, Shape, ValueId};
use srdiff::ops::{
    Activation, Conv2d, Epilogue, GroupNorm, Linear, NoiseSource, Op, Padding, Pointwise,
    SamplerUpdate,
};
use srdiff::plan::{PlanError, Precision};

pub fn copy() -> Op {
    Op::Pointwise(Pointwise::copy())
}

pub fn mish() -> Op {
    Op::Pointwise(Pointwise::activation(Activation::Mish))
}

pub fn conv(kernel: usize, stride: usize, epilogue: Epilogue) -> Op {
    Op::Conv2d(Conv2d {
        kernel,
        stride,
        padding: Padding::Reflect,
        bias: true,
        backward: false,
        epilogue,
    })
}

/// A graph with an input of each of these shapes.
pub fn with_inputs(shapes: &[Shape]) -> (GraphBuilder, Vec<ValueId>) {
    let mut b = GraphBuilder::new("phase");
    let mut inputs = Vec::new();
    for (index, &shape) in shapes.iter().enumerate() {
        let name = format!("in{index}");
        let id = b.value(&name, shape, Role::Input, Element::Float);
        inputs.push(id.expect("names differ"));
    }
    (b, inputs)
}

#[test]
fn a_result_must_have_the_shape_of_its_place() {
    let (mut b, inputs) = with_inputs(&[Shape::new(1, 4, 3, 3)]);
    let wide = Shape::new(1, 5, 3, 3);
    let into = b.value("place", wide, Role::Temporary, Element::Float);
    let error = b.push_into(&[into.unwrap()], mish(), &inputs);
    assert_eq!(
        error.unwrap_err().to_string(),
        "pointwise 'place': gives [1, 4, 3, 3], but is to be written into [1, 5, 3, 3]"
    );
}

#[test]
fn names_are_unique() {
    let (mut b, inputs) = with_inputs(&[Shape::new(1, 4, 3, 3)]);
    let error = b.push("in0", mish(), &inputs).unwrap_err();
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
    let array = b.concat("array", shape, Role::Temporary, &[3, 5]).unwrap();
    let left = b.segments("left", array, 0, 1).unwrap();
    let right = b.segments("right", array, 1, 1).unwrap();
    let x = b.value("x", shape.with_channels(3), Role::Input, Element::Float);
    b.push_into(&[left], copy(), &[x.unwrap()])
        .expect("left is written");
    for (read, name) in [(array, "array"), (right, "right")] {
        let error = b.push("y", mish(), &[read]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("graph 'phase': pointwise reads '{name}' before anything has written it")
        );
    }
    b.push("y", mish(), &[left]).expect("written");
}

#[test]
fn inputs_and_weights_are_not_written() {
    let (mut b, inputs) = with_inputs(&[Shape::vector(4), Shape::vector(4)]);
    let weight = b.parameter("weight", Shape::vector(4)).unwrap();
    for (into, name) in [(inputs[1], "in1"), (weight, "weight")] {
        let error = b.push_into(&[into], mish(), &inputs[..1]);
        assert_eq!(
            error.unwrap_err().to_string(),
            format!(
                "graph 'phase': pointwise writes '{name}', which is an input or a weight; give it a result of its own"
            )
        );
    }
}

#[test]
fn a_result_does_not_lie_over_an_operand() {
    let mut b = GraphBuilder::new("phase");
    let shape = Shape::new(1, 4, 3, 3);
    let state =
        |b: &mut GraphBuilder, name: &str| b.value(name, shape, Role::State, Element::F32).unwrap();
    let (x, x0) = (state(&mut b, "x"), state(&mut b, "x0"));
    let eps = b.value("eps", shape, Role::Input, Element::F32).unwrap();
    let error = b.push_into(&[x], mish(), &[x]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "graph 'phase': pointwise writes 'x' over 'x', which the same step uses; give it a result of its own"
    );

    let update = Op::SamplerUpdate(SamplerUpdate {
        noise: NoiseSource::Generated,
    });
    b.push_into(&[x, x0], update.clone(), &[x, eps, x0])
        .expect("the update works in place");
    for into in [[x0, x], [x, x]] {
        let error = b.push_into(&into, update.clone(), &[x, eps, x0]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("which the same step uses"), "{error}");
    }

    let array = b
        .concat("array", Shape::new(1, 8, 3, 3), Role::Temporary, &[4, 4])
        .unwrap();
    let left = b.segments("left", array, 0, 1).unwrap();
    let right = b.segments("right", array, 1, 1).unwrap();
    b.push_into(&[left], copy(), &[eps]).unwrap();
    b.push_into(&[right], copy(), &[left])
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

/// A phase that reads a state.
fn reads(phase: &str, shape: Shape, element: Element) -> Graph {
    let mut b = GraphBuilder::new(phase);
    let x = b.value("shared", shape, Role::State, element).unwrap();
    b.push("y", copy(), &[x]).unwrap();
    b.build()
}

#[test]
fn phases_must_agree_about_what_they_share() {
    let setup = Setup::gpu(Precision::F16, true);
    let refused = |graphs: Vec<Graph>| {
        let planned = setup.plan(graphs, false);
        planned.err().expect("they differ").to_string()
    };
    let shape = Shape::new(1, 4, 3, 3);
    let first = reads("first", shape, Element::F32);
    let cases = [
        (
            shape.with_channels(5),
            Element::F32,
            "[1, 5, 3, 3] in channel blocks of 4 f32",
        ),
        (
            shape,
            Element::Float,
            "[1, 4, 3, 3] in channel blocks of 4 f16",
        ),
    ];
    for (shape, element, second) in cases {
        let message = refused(vec![first.clone(), reads("second", shape, element)]);
        let start = "value 'shared' is [1, 4, 3, 3] in channel blocks of 4 f32 in one phase and ";
        assert!(
            message.starts_with(&format!("{start}{second}")),
            "{message}"
        );
        assert!(message.contains("phase 'second'"), "{message}");
    }
    let same = setup.plan(vec![first.clone(), first], false);
    same.map(|_| ()).expect("the same twice");
}

#[test]
fn phases_must_agree_about_the_shape_of_a_weight() {
    let linear = |phase: &str, outputs: usize| {
        let mut b = GraphBuilder::new(phase);
        let x = b
            .value("x", Shape::matrix(2, 4), Role::Input, Element::F32)
            .unwrap();
        let weight = b.parameter("w", Shape::matrix(outputs, 4)).unwrap();
        let bias = b
            .parameter(&format!("{phase}.b"), Shape::vector(outputs))
            .unwrap();
        let y = format!("{phase}.y");
        b.push(&y, Op::Linear(Linear {}), &[x, weight, bias])
            .unwrap();
        b.build()
    };
    for setup in setups() {
        // Padded to blocks, weights of 5 and 6 rows take the same room.
        for outputs in [6, 9] {
            let graphs = [linear("first", 5), linear("second", outputs)];
            let options = PrepareOptions {
                fuse: setup.fuse,
                trainable: false,
            };
            let refused = setup.target.prepare(&graphs, &options);
            let message = refused.expect_err("they differ").to_string();
            assert!(
                message.contains("[6, 4, 1, 1]") || message.contains("[9, 4, 1, 1]"),
                "{message}"
            );
        }
    }
}

#[test]
fn a_temporary_that_no_node_uses_is_refused() {
    for setup in setups() {
        let mut b = GraphBuilder::new("phase");
        b.value("idle", Shape::vector(4), Role::Temporary, Element::Float)
            .unwrap();
        let error = setup.plan(vec![b.build()], false).err().unwrap();
        assert!(matches!(error, PlanError::Unused { .. }));
        assert_eq!(
            error.to_string(),
            "phase 'phase': no node reads or writes 'idle'; leave it out of the graph"
        );
    }
}

#[test]
fn what_no_kernel_computes_is_refused() {
    // A GPU's norm does not know the padding between groups of 3 and 5.
    let mut b = GraphBuilder::new("phase");
    let array = b
        .concat("array", Shape::new(1, 8, 3, 3), Role::Temporary, &[3, 5])
        .unwrap();
    for (at, channels) in [3, 5].into_iter().enumerate() {
        let shape = Shape::new(1, channels, 3, 3);
        let x = b
            .value(&format!("x{at}"), shape, Role::Input, Element::F32)
            .unwrap();
        let part = b.segments(&format!("part{at}"), array, at, 1).unwrap();
        b.push_into(&[part], copy(), &[x]).unwrap();
    }
    let weight = b.parameter("w", Shape::vector(8)).unwrap();
    let norm = Op::GroupNorm(GroupNorm {
        groups: 2,
        epsilon: 1e-5,
        epilogue: Epilogue::none(),
    });
    b.push("y", norm, &[array, weight, weight]).unwrap();
    let graphs = vec![b.build()];
    let error = Setup::gpu(Precision::F32, true).plan(graphs.clone(), false);
    let message = error.err().expect("no kernel").to_string();
    let start = "phase 'phase': group_norm of 'array' [1, 8, 3, 3]";
    assert!(message.starts_with(start), "{message}");
    let cpu = Setup::cpu(1, true).plan(graphs, false);
    cpu.map(|_| ()).expect("the CPU pads nothing");
}
