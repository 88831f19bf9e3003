//! Packed weights, bit for bit: of packings that no kernel asks for, and of
//! numbers that are hard to round. (What kernels do ask for is compared as the
//! cases run.)

use crate::arrays::{accepts, packed_weights};
use crate::reference::pack;
use crate::subjects::Subject;
use libtest_mimic::{Failed, Trial as Test};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use srdiff::graph::{
    Element, Graph, Node, ParameterError, Parameters, Role, Shape, Value, ValueId,
};
use srdiff::ops::winograd::Winograd;
use srdiff::ops::{Axis, ChannelMap, Coordinate, Op, Pack, Packing};
use srdiff::plan::{PACK, Precision, choose, plan};
use std::borrow::Cow;
use std::sync::Arc;

pub fn tests(subjects: &[Arc<Subject>]) -> Vec<Test> {
    let mut tests = Vec::new();
    for (name, packing) in packings() {
        let by_rule = packing.clone();
        let test = format!("packing/{name} by its rule");
        tests.push(Test::test(test, move || rule(&by_rule)));
        for subject in subjects.iter().filter(|subject| subject.is_gpu()) {
            for precision in [Precision::F32, Precision::F16] {
                let packing = Packing {
                    precision,
                    ..packing.clone()
                };
                let test = format!("packing/{name} {precision} on {}", subject.name);
                let subject = subject.clone();
                tests.push(Test::test(test, move || exact(packing, &subject)));
            }
        }
    }
    for (name, packing) in transformed() {
        let by_rule = packing.clone();
        let test = format!("packing/{name} by its rule");
        tests.push(Test::test(test, move || rule(&by_rule)));
        for subject in subjects.iter().filter(|subject| subject.is_gpu()) {
            let (packing, subject) = (packing.clone(), subject.clone());
            let test = format!("packing/{name} on {}", subject.name);
            tests.push(Test::test(test, move || exact(packing, &subject)));
        }
    }
    tests
}

/// Kernels transformed for Winograd's algorithm, in padded groups, within
/// rounding.
fn transformed() -> Vec<(&'static str, Packing)> {
    use Coordinate::{C, H, N, W};
    let packing = |winograd: Winograd| Packing {
        plain: Shape::new(5, 7, 3, 3),
        winograd: Some(winograd),
        turned: false,
        axes: vec![
            Axis::new(winograd.points(), H, 1),
            Axis::new(winograd.points(), W, 1),
            Axis::new(16, C, 1),
            Axis::new(8, N, 1),
        ],
        channels: Some(ChannelMap::new(C, &[3, 4], 4)),
        precision: Precision::F32,
    };
    vec![
        ("winograd 2x2", packing(Winograd::F2)),
        ("winograd 4x4", packing(Winograd::F4)),
    ]
}

fn packings() -> Vec<(&'static str, Packing)> {
    use Coordinate::{C, H, N, W};
    let packing = |plain: Shape, axes: Vec<Axis>, groups: Option<(Coordinate, &[usize])>| Packing {
        plain,
        winograd: None,
        turned: false,
        axes,
        channels: groups.map(|(coordinate, segments)| ChannelMap {
            coordinate,
            segments: segments.to_vec(),
            alignment: 4,
        }),
        precision: Precision::F32,
    };
    let plain = Shape::new(5, 7, 3, 2);
    let axes = vec![
        Axis::new(2, N, 4),
        Axis::new(2, C, 4),
        Axis::new(3, H, 1),
        Axis::new(2, W, 1),
        Axis::new(4, C, 1),
        Axis::new(4, N, 1),
    ];
    // A convolution's gradient sees the kernel from the other end.
    let flipped = axes.iter().map(|axis| match axis.coordinate {
        H | W => axis.reversed(),
        _ => *axis,
    });
    let reversed = axes.iter().map(|axis| axis.reversed());
    let large = Shape::new(1030, 1031, 1, 2);
    vec![
        ("as it is", packing(plain, identity(plain).to_vec(), None)),
        ("in blocks", packing(plain, axes.clone(), None)),
        ("flipped", packing(plain, flipped.collect(), None)),
        ("reversed", packing(plain, reversed.collect(), None)),
        (
            "reversed in steps",
            packing(
                plain,
                vec![
                    Axis::new(3, N, 2).reversed(),
                    Axis::new(7, C, 1),
                    Axis::new(2, N, 1).reversed(),
                    Axis::new(3, H, 1).reversed(),
                ],
                None,
            ),
        ),
        (
            "padded groups",
            packing(
                Shape::new(3, 14, 1, 1),
                vec![Axis::new(5, C, 4), Axis::new(3, N, 1), Axis::new(4, C, 1)],
                Some((C, &[3, 6, 1, 4])),
            ),
        ),
        (
            "padded groups reversed",
            packing(
                Shape::new(9, 2, 3, 1),
                vec![
                    Axis::new(3, H, 1).reversed(),
                    Axis::new(4, N, 4).reversed(),
                    Axis::new(2, C, 1),
                    Axis::new(4, N, 1).reversed(),
                ],
                Some((N, &[5, 1, 3])),
            ),
        ),
        (
            "one element",
            packing(Shape::vector(1), vec![Axis::new(1, C, 1)], None),
        ),
        ("a padded vector", Packing::vector(Shape::vector(13), 29)),
        // More words than a row of the grid has.
        (
            "large",
            packing(
                large,
                vec![
                    Axis::new(2, W, 1),
                    Axis::new(1031, C, 1).reversed(),
                    Axis::new(1030, N, 1),
                ],
                None,
            ),
        ),
    ]
}

fn identity(shape: Shape) -> [Axis; 4] {
    [
        Axis::new(shape.n, Coordinate::N, 1),
        Axis::new(shape.c, Coordinate::C, 1),
        Axis::new(shape.h, Coordinate::H, 1),
        Axis::new(shape.w, Coordinate::W, 1),
    ]
}

/// Numbers of every magnitude; of one for kernels that are transformed.
struct Hard;

impl Parameters for Hard {
    fn parameter(&self, _: &str, shape: Shape) -> Result<Cow<'_, [f32]>, ParameterError> {
        let transforms = (shape.h, shape.w) == (3, 3);
        Ok(match transforms {
            true => ordinary(shape.elements()),
            false => numbers(shape.elements()),
        }
        .into())
    }
}

fn ordinary(count: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(31);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn numbers(count: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(29);
    let f16 = |bits: u16| half::f16::from_bits(bits).to_f32();
    let mut numbers = vec![
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-40,
        65504.0,
        65519.99,
        65520.0,
        -65536.0,
        2.0f32.powi(-24),
        2.0f32.powi(-25),
        2.0f32.powi(-25) * 1.0001,
        -(2.0f32.powi(-26)),
        2.0f32.powi(-14),
    ];
    while numbers.len() < count {
        // A number of f16, the middle between it and the next one, and just
        // beside the middle.
        let bits = rng.random_range(0..0x7bffu16);
        let (low, high) = (f16(bits), f16(bits + 1));
        let middle = low + (high - low) / 2.0;
        let sign = if rng.random() { 1.0 } else { -1.0 };
        numbers.extend([low, middle, middle.next_up(), middle.next_down()].map(|v| sign * v));
    }
    // Small tensors see other numbers than the first ones, too.
    numbers.rotate_left(if count < 100 { 0 } else { 1 });
    numbers.truncate(count);
    numbers
}

/// A program that packs, and does nothing else.
fn exact(packing: Packing, subject: &Subject) -> Result<(), Failed> {
    let value = |name: &str, role| Value {
        name: name.to_owned(),
        shape: packing.plain,
        role,
        element: Element::F32,
        segments: vec![packing.plain.c],
        view_of: None,
    };
    let graph = Graph {
        name: PACK.to_owned(),
        values: vec![
            value("plain", Role::Parameter),
            value("packed", Role::Packed),
        ],
        nodes: vec![Node {
            op: Op::Pack(Pack {
                packing: packing.clone(),
            }),
            inputs: vec![ValueId(0)],
            outputs: vec![ValueId(1)],
        }],
    };
    let kernels = subject.kernels();
    // The first phase packs what the others read: nothing.
    let chosen = choose(&[graph], kernels, false)?;
    let program = plan(&chosen[1..], kernels.threads(), kernels.precision())?;
    let weight = packed_weights(&program).remove(0);
    let shown = vec![weight.elements.clone()];
    let mut executor = subject.load_showing(&program, shown, Arc::new(Hard))?;
    let got = executor.read(&weight.elements.name)?;
    let plain = Hard.parameter("plain", packing.plain)?;
    same(&packing, &got, &weight.expected(&plain))
}

/// The library's own packing, which the CPU uses.
fn rule(packing: &Packing) -> Result<(), Failed> {
    let plain = Hard.parameter("plain", packing.plain)?;
    let mut packed = vec![f32::NAN; packing.elements()];
    packing.apply(&plain, &mut packed);
    same(packing, &packed, &pack(packing, &plain))
}

fn same(packing: &Packing, got: &[f32], want: &[f32]) -> Result<(), Failed> {
    let differ = |(_, (got, want)): &(usize, (&f32, &f32))| !accepts(packing, **got, **want, 1.0);
    let wrong = got.iter().zip(want).enumerate().find(differ);
    match (wrong, got.len() == want.len()) {
        (None, true) => Ok(()),
        (None, false) => Err("too few elements".into()),
        (Some((at, (got, want))), _) => Err(format!(
            "{at} is {got:e} ({:#x}), not {want:e} ({:#x})",
            got.to_bits(),
            want.to_bits()
        )
        .into()),
    }
}
