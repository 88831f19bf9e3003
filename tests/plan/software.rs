//! The static rule of software adapters: where tiles fill Winograd's products,
//! these convolve; elsewhere, what other adapters take.

use srdiff::exec::gpu::{AdapterKind, AdapterSummary};
use srdiff::exec::{PrepareOptions, Target};
use srdiff::graph::{Element, GraphBuilder, Role, Shape};
use srdiff::ops::{Conv2d, ConvTranspose2d, Op, Padding};
use srdiff::plan::{Precision, Variant};

/// The kernel that an adapter of a kind gets for an operation that makes `y`.
fn kernel(kind: AdapterKind, op: &Op, x: Shape, y: Shape, weight: Shape) -> Variant {
    let adapter = AdapterSummary {
        kind,
        ..AdapterSummary::baseline()
    };
    let mut b = GraphBuilder::new("phase");
    let x = b.value("x", x, Role::State, Element::Float).unwrap();
    let outputs = y.c;
    let y = b.value("y", y, Role::State, Element::Float).unwrap();
    let weight = b.parameter("weight", weight).unwrap();
    let bias = b.parameter("bias", Shape::vector(outputs)).unwrap();
    b.push_into(&[y], op.clone(), &[x, weight, bias]).unwrap();
    let target = Target::gpu(&adapter, Precision::F32);
    let prepared = target.prepare(&[b.build()], &PrepareOptions::default());
    let prepared = prepared.expect("a kernel of the baseline");
    prepared.program().phase("phase").unwrap().nodes[0].variant
}

fn conv2d(kind: AdapterKind, [c, o]: [usize; 2], [h, w]: [usize; 2]) -> Variant {
    let op = Op::Conv2d(Conv2d::new(3, Padding::Reflect));
    let [x, y] = [c, o].map(|channels| Shape::new(1, channels, h, w));
    kernel(kind, &op, x, y, Shape::new(o, c, 3, 3))
}

const DIRECT: Variant = Variant::RegisterTile {
    pixels: 8,
    blocks: 1,
};

#[test]
fn winograd_convolves_where_its_products_are_full() {
    let results = |channels, size| match conv2d(AdapterKind::Software, channels, size) {
        Variant::WinogradPasses { results, .. } => Some(results),
        variant => {
            assert_eq!(variant, DIRECT);
            None
        }
    };
    let square = |side| [side, side];
    for (channels, side, expected) in [
        ([64, 64], 80, Some(4)),
        ([128, 64], 40, Some(4)),
        ([32, 64], 80, Some(4)),
        // 5 x 5 tiles of 4 x 4 do not fill one of 64.
        ([64, 64], 20, None),
        ([128, 128], 20, Some(2)),
        ([256, 256], 5, None),
        // Half of the channels would be made up.
        ([32, 32], 160, None),
        ([256, 65], 160, None),
        // Transforms cost more than what they save.
        ([3, 64], 160, None),
    ] {
        let found = results(channels, square(side));
        assert_eq!(found, expected, "{channels:?} {side}");
    }
    // A row of tiles alone is too much scratch memory.
    assert_eq!(results([256, 256], [4, 60_000]), None);
    for kind in [AdapterKind::Discrete, AdapterKind::Unknown] {
        assert_eq!(conv2d(kind, [64, 64], [80, 80]), DIRECT);
    }
}

#[test]
fn software_shares_more_among_the_sums_of_a_tile() {
    let square = Variant::RegisterTile {
        pixels: 8,
        blocks: 2,
    };
    let one = Op::Conv2d(Conv2d::new(1, Padding::Zero));
    let half = Op::Conv2d(Conv2d {
        stride: 2,
        ..Conv2d::new(3, Padding::Reflect)
    });
    let double = Op::ConvTranspose2d(ConvTranspose2d { stride: 2 });
    let [x, small, large] = [40, 20, 80].map(|side| Shape::new(1, 64, side, side));
    for (op, y, side) in [(one, x, 1), (half, small, 3), (double, large, 4)] {
        let weight = Shape::new(64, 64, side, side);
        let by = |kind| kernel(kind, &op, x, y, weight);
        assert_eq!(by(AdapterKind::Software), square, "{op:?}");
        assert_ne!(by(AdapterKind::Discrete), square, "{op:?}");
    }
}
