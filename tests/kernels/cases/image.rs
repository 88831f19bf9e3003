//! Pictures in and out.

use super::UNIT;
use crate::case::{Bound, Case, Fill};
use srdiff::graph::{Element, Shape};
use srdiff::ops::{ImagePack, ImageUnpack, Op, Reconstruct};

fn unpack(shape: Shape, scale: f32, shift: f32) -> Case {
    let name = format!("image_unpack/{shape} * {scale} + {shift}");
    let mut case = Case::new(name, Bound::of(2e-7));
    let pixels = case.array("pixels", shape, &[1], Element::Pixel, Fill::Pixels);
    case.step(Op::ImageUnpack(ImageUnpack { scale, shift }), &[pixels]);
    case
}

fn pack(name: &str, n: usize, size: (usize, usize), fill: Fill) -> Case {
    let mut case = Case::new(format!("image_pack/{name}"), Bound::of(0.0));
    let whole = Shape::new(n, 10, size.0, size.1);
    let array = case.array("x", whole, &[5, 3, 2], Element::Full, fill);
    let x = case.view(array, 1, 1);
    case.step(Op::ImagePack(ImagePack {}), &[x]);
    case
}

fn reconstruct(shape: Shape, res_rescale: f32) -> Case {
    let name = format!("reconstruct/{shape} / {res_rescale}");
    let mut case = Case::new(name, Bound::of(3e-7));
    let x = case.full("x", shape, Fill::Uniform(-2.0, 2.0));
    let up = case.full("up", shape, UNIT);
    case.step(Op::Reconstruct(Reconstruct { res_rescale }), &[x, up]);
    case
}

/// What image_pack gives byte `b` for, plus `off` of a byte's width.
fn level(b: u32, off: f32) -> f32 {
    (b as f32 + off) / 127.5 - 1.0
}

pub fn cases() -> Vec<Case> {
    let exact: Vec<f32> = (0..256).map(|b| level(b, 0.0)).collect();
    // Just below and above the border between two bytes.
    let borders: Vec<f32> = (0..255)
        .flat_map(|b| [level(b, 0.4995), level(b, 0.5005)])
        .collect();
    // 0 is 127.5, the one exact half; beyond the range is clamped.
    let clamped = vec![
        0.0, -0.0, -1.0, 1.0, -1.004, 1.004, -2.0, 3.5, -1e30, 1e30, 0.25, -3e38, 3e38,
    ];
    // Infinities in some of the pixels; as an operand that must stay as it is,
    // NaN would equal nothing.
    let mut infinite = vec![0.25; 13];
    (infinite[3], infinite[8]) = (f32::INFINITY, f32::NEG_INFINITY);
    vec![
        unpack(Shape::new(3, 1, 33, 37), 1.0 / 127.5, -1.0),
        unpack(Shape::new(1, 1, 1, 7), 1.0 / 255.0, 0.0),
        unpack(Shape::new(1, 1, 13, 1), 1.0, 0.0),
        unpack(Shape::new(2, 1, 65, 3), 1.0 / 127.5, -1.0),
        unpack(Shape::new(1, 1, 2, 65), 1.0 / 255.0, 0.0),
        pack("every byte", 2, (13, 17), Fill::Repeated(exact)),
        pack("borders", 1, (17, 31), Fill::Repeated(borders)),
        pack("clamped", 3, (5, 3), Fill::Repeated(clamped)),
        pack("infinite", 2, (5, 3), Fill::Repeated(infinite)),
        pack("high", 2, (65, 2), UNIT),
        pack("wide", 1, (1, 65), Fill::Uniform(-1.2, 1.2)),
        reconstruct(Shape::new(1, 3, 7, 13), 2.0),
        reconstruct(Shape::new(3, 3, 13, 1), 1.0),
        reconstruct(Shape::new(2, 3, 5, 65), 4.0),
    ]
}
