//! What fusion folds, and what it leaves alone.

use super::checker::Planned;
use super::errors::{conv, copy, mish};
use super::fused_models::names_of;
use super::models::Setup;
use srdiff::graph::{Element, GraphBuilder, Role, Shape, ValueId, fuse};
use srdiff::ops::{Epilogue, Op, Pointwise, UpsampleNearest};
use srdiff::plan::Precision;

const SHAPE: Shape = Shape::new(1, 4, 3, 3);

/// A graph that is being built for fusion.
struct Building {
    b: GraphBuilder,
    x: ValueId,
    other: ValueId,
}

impl Building {
    fn new() -> Self {
        let mut b = GraphBuilder::new("phase");
        let x = b.value("x", SHAPE, Role::Input, Element::F32).unwrap();
        let other = b.value("other", SHAPE, Role::Input, Element::F32).unwrap();
        Self { b, x, other }
    }

    /// A convolution of `x`.
    fn conv(&mut self, name: &str, x: ValueId) -> ValueId {
        let inputs = self.conv_inputs(x);
        self.b
            .push(name, conv(1, 1, Epilogue::none()), &inputs)
            .unwrap()
    }

    fn conv_inputs(&mut self, x: ValueId) -> [ValueId; 3] {
        let channels = self.b.shape(x).c;
        let weight = Shape::new(4, channels, 1, 1);
        let weight = self.b.parameter(&format!("w{channels}"), weight).unwrap();
        [x, weight, self.b.parameter("b", Shape::vector(4)).unwrap()]
    }

    fn pointwise(&mut self, name: &str, op: Pointwise, inputs: &[ValueId]) -> ValueId {
        self.b.push(name, Op::Pointwise(op), inputs).unwrap()
    }

    fn value(&mut self, name: &str, role: Role) -> ValueId {
        self.b.value(name, SHAPE, role, Element::F32).unwrap()
    }

    /// Fuses, has the result judged, and gives each node as
    /// `op in, in -> out`, parameters left out.
    fn nodes(self) -> Vec<String> {
        let graph = fuse(&self.b.build());
        let planned = Setup::gpu(Precision::F32, false).plan(vec![graph.clone()], false);
        let planned: Planned = planned.unwrap();
        let faults = planned.faults(&planned.twice(), &["state"]);
        assert!(faults.is_empty(), "{faults:#?}");
        let nodes = graph.nodes.iter();
        nodes
            .map(|node| {
                let read = node
                    .inputs
                    .iter()
                    .filter(|id| graph.value(**id).role != Role::Parameter);
                let read: Vec<ValueId> = read.copied().collect();
                let read = names_of(&graph, &read).join(", ");
                let written = names_of(&graph, &node.outputs).join(", ");
                format!("{} {read} -> {written}", node.op.name())
            })
            .collect()
    }
}

#[test]
fn chains_are_folded_into_one_node() {
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let mish = g.b.push("mish", mish(), &[raw]).unwrap();
    let table =
        g.b.value("table", Shape::matrix(5, 4), Role::Input, Element::F32);
    let added = g.pointwise("added", Pointwise::add_table_row(), &[mish, table.unwrap()]);
    let one = g.pointwise("one", Pointwise::add(1.0, 0.5), &[added, g.other]);
    g.pointwise("two", Pointwise::add(1.0, 2.0), &[one, g.x]);
    assert_eq!(g.nodes(), ["conv2d x, table, other, x -> two"]);
}

#[test]
fn a_scale_reaches_what_was_added_before() {
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let one = g.pointwise("one", Pointwise::add(0.5, 3.0), &[raw, g.other]);
    let two = g.pointwise("two", Pointwise::affine(2.0, 1.0), &[one]);
    g.pointwise("three", Pointwise::add(4.0, 5.0), &[two, g.x]);
    let graph = fuse(&g.b.build());
    let Op::Conv2d(op) = &graph.nodes[0].op else {
        panic!("{:?}", graph.nodes);
    };
    let expected = Epilogue {
        scale: 4.0,
        shift: 4.0,
        residual_scales: vec![24.0, 5.0],
        ..Epilogue::none()
    };
    assert_eq!((graph.nodes.len(), &op.epilogue), (1, &expected));
}

#[test]
fn pointwise_nodes_are_folded_into_one_another() {
    let mut g = Building::new();
    let op = Op::UpsampleNearest(UpsampleNearest { factor: 1 });
    let up = g.b.push("up", op, &[g.x]).unwrap();
    let one = g.b.push("one", mish(), &[up]).unwrap();
    g.pointwise("two", Pointwise::add(1.0, 1.0), &[one, g.other]);
    assert_eq!(
        g.nodes(),
        ["upsample_nearest x -> up", "pointwise up, other -> two"]
    );
}

#[test]
fn an_operand_that_is_read_twice_is_made() {
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    g.b.push("mish", mish(), &[raw]).unwrap();
    g.conv("again", raw);
    assert_eq!(
        g.nodes(),
        [
            "conv2d x -> raw",
            "pointwise raw -> mish",
            "conv2d raw -> again"
        ]
    );
    // Also by one node alone.
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    g.pointwise("twice", Pointwise::add(1.0, 1.0), &[raw, raw]);
    assert_eq!(
        g.nodes(),
        ["conv2d x -> raw", "pointwise raw, raw -> twice"]
    );
}

#[test]
fn an_operand_that_lives_on_is_made() {
    for role in [Role::Output, Role::State] {
        let mut g = Building::new();
        let kept = g.value("kept", role);
        let inputs = g.conv_inputs(g.x);
        let op = conv(1, 1, Epilogue::none());
        g.b.push_into(&[kept], op, &inputs).unwrap();
        g.b.push("mish", mish(), &[kept]).unwrap();
        assert_eq!(g.nodes(), ["conv2d x -> kept", "pointwise kept -> mish"]);
    }
}

#[test]
fn an_operand_that_is_part_of_an_array_is_made() {
    let mut g = Building::new();
    let array =
        g.b.concat("array", SHAPE.with_channels(8), Role::Temporary, &[4, 4])
            .unwrap();
    let left = g.b.segments("left", array, 0, 1).unwrap();
    let right = g.b.segments("right", array, 1, 1).unwrap();
    for part in [left, right] {
        let inputs = g.conv_inputs(g.x);
        let op = conv(1, 1, Epilogue::none());
        g.b.push_into(&[part], op, &inputs).unwrap();
    }
    g.b.push("mish", mish(), &[left]).unwrap();
    g.conv("whole", array);
    assert_eq!(
        g.nodes(),
        [
            "conv2d x -> left",
            "conv2d x -> right",
            "pointwise left -> mish",
            "conv2d array -> whole"
        ]
    );
    // An array that others see part of is made too.
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let view = g.b.segments("view", raw, 0, 1).unwrap();
    g.b.push("mish", mish(), &[raw]).unwrap();
    g.b.push("copy", copy(), &[view]).unwrap();
    assert_eq!(
        g.nodes(),
        [
            "conv2d x -> raw",
            "pointwise raw -> mish",
            "pointwise view -> copy"
        ]
    );
}

#[test]
fn what_is_overwritten_in_between_is_read_before() {
    let mut g = Building::new();
    let state = g.value("state", Role::State);
    let raw = g.conv("raw", state);
    g.b.push_into(&[state], copy(), &[g.other]).unwrap();
    g.b.push("mish", mish(), &[raw]).unwrap();
    assert_eq!(
        g.nodes(),
        [
            "conv2d state -> raw",
            "pointwise other -> state",
            "pointwise raw -> mish"
        ]
    );
}

#[test]
fn a_result_is_not_folded_over_what_is_read() {
    let mut g = Building::new();
    let state = g.value("state", Role::State);
    let raw = g.conv("raw", state);
    g.b.push_into(&[state], mish(), &[raw]).unwrap();
    assert_eq!(g.nodes(), ["conv2d state -> raw", "pointwise raw -> state"]);
}

#[test]
fn an_operand_that_was_written_over_is_not_folded() {
    let mut g = Building::new();
    let place = g.value("place", Role::Temporary);
    for (x, name) in [(g.x, "one"), (g.other, "two")] {
        let inputs = g.conv_inputs(x);
        let op = conv(1, 1, Epilogue::none());
        g.b.push_into(&[place], op, &inputs).unwrap();
        g.b.push(name, mish(), &[place]).unwrap();
    }
    // It is read twice, by what is written at different times.
    assert_eq!(
        g.nodes(),
        [
            "conv2d x -> place",
            "pointwise place -> one",
            "conv2d other -> place",
            "pointwise place -> two",
        ]
    );
}

#[test]
fn one_epilogue_does_things_in_one_order() {
    let table = |g: &mut Building| {
        let table =
            g.b.value("table", Shape::matrix(5, 4), Role::Input, Element::F32);
        table.unwrap()
    };
    // An activation after a scale.
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let scaled = g.pointwise("scaled", Pointwise::affine(2.0, 0.0), &[raw]);
    g.b.push("mish", mish(), &[scaled]).unwrap();
    assert_eq!(
        g.nodes(),
        ["conv2d x -> scaled", "pointwise scaled -> mish"]
    );
    // An activation after another.
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let once = g.b.push("once", mish(), &[raw]).unwrap();
    g.b.push("twice", mish(), &[once]).unwrap();
    assert_eq!(g.nodes(), ["conv2d x -> once", "pointwise once -> twice"]);
    // A third residual.
    let mut g = Building::new();
    let mut y = g.conv("raw", g.x);
    for name in ["one", "two", "three"] {
        y = g.pointwise(name, Pointwise::add(1.0, 1.0), &[y, g.other]);
    }
    assert_eq!(
        g.nodes(),
        [
            "conv2d x, other, other -> two",
            "pointwise two, other -> three"
        ]
    );
    // A scale after a table.
    let mut g = Building::new();
    let rows = table(&mut g);
    let raw = g.conv("raw", g.x);
    let added = g.pointwise("added", Pointwise::add_table_row(), &[raw, rows]);
    g.pointwise("scaled", Pointwise::affine(2.0, 0.0), &[added]);
    assert_eq!(
        g.nodes(),
        ["conv2d x, table -> added", "pointwise added -> scaled"]
    );
    // A second table.
    let mut g = Building::new();
    let rows = table(&mut g);
    let mut y = g.conv("raw", g.x);
    for name in ["one", "two"] {
        y = g.pointwise(name, Pointwise::add_table_row(), &[y, rows]);
    }
    assert_eq!(
        g.nodes(),
        ["conv2d x, table -> one", "pointwise one, table -> two"]
    );
}

#[test]
fn a_table_follows_residuals() {
    // The table's row comes first among the operands, whenever it is added.
    let mut g = Building::new();
    let raw = g.conv("raw", g.x);
    let one = g.pointwise("one", Pointwise::add(1.0, 3.0), &[raw, g.other]);
    let table =
        g.b.value("table", Shape::matrix(5, 4), Role::Input, Element::F32);
    g.pointwise("two", Pointwise::add_table_row(), &[one, table.unwrap()]);
    assert_eq!(g.nodes(), ["conv2d x, table, other -> two"]);
}
