//! How packings order the elements of a tensor, and how they are named.

use srdiff::graph::Shape;
use srdiff::ops::{Axis, ChannelMap, Coordinate, Packing};
use srdiff::plan::Precision;

/// `[o, c, 1, 1]` to `[o / 4][c / 4][4 of c][4 of o]`.
fn linear(segments: &[usize]) -> Packing {
    let inputs: usize = segments.iter().sum();
    let stored: usize = segments.iter().map(|c| c.next_multiple_of(4)).sum();
    Packing {
        plain: Shape::matrix(5, inputs),
        winograd: None,
        turned: false,
        axes: vec![
            Axis::new(2, Coordinate::N, 4),
            Axis::new(stored / 4, Coordinate::C, 4),
            Axis::new(4, Coordinate::C, 1),
            Axis::new(4, Coordinate::N, 1),
        ],
        channels: Some(ChannelMap {
            coordinate: Coordinate::C,
            segments: segments.to_vec(),
            alignment: 4,
        }),
        precision: Precision::F32,
    }
}

#[test]
fn elements_go_where_their_axes_say() {
    let packing = linear(&[3, 2]);
    let plain: Vec<f32> = (0..25).map(|i| i as f32 + 1.0).collect();
    let mut packed = vec![f32::NAN; packing.elements()];
    packing.apply(&plain, &mut packed);
    for (at, &value) in packed.iter().enumerate() {
        let o = at / 32 * 4 + at % 4;
        let stored = at / 16 % 2 * 4 + at / 4 % 4;
        let c = match stored {
            0..=2 => Some(stored),
            4..=5 => Some(stored - 1),
            _ => None,
        };
        let expected = c.filter(|_| o < 5).map_or(0.0, |c| plain[o * 5 + c]);
        assert_eq!(value, expected, "element {at}");
    }
}

#[test]
fn groups_without_padding_are_one() {
    assert_eq!(linear(&[4, 8, 3]).channel_groups(), [[0, 0, 15]]);
    assert_eq!(linear(&[3, 4]).channel_groups(), [[0, 0, 3], [4, 3, 4]]);
}

#[test]
fn different_packings_have_different_names() {
    let mut half = linear(&[3, 2]);
    half.precision = Precision::F16;
    let names = [linear(&[3, 2]), linear(&[2, 3]), linear(&[5]), half].map(|p| p.to_string());
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{name}");
    }
}
