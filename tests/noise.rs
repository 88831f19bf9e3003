//! The noise generator: known answers, accuracy, statistics, and its WGSL twin
//! on every adapter there is.

#[path = "noise/battery.rs"]
mod battery;
#[path = "noise/dependence.rs"]
mod dependence;
#[path = "noise/flawed.rs"]
mod flawed;
#[cfg(feature = "gpu")]
#[path = "noise/gpu.rs"]
mod gpu;
#[path = "noise/statistics.rs"]
mod statistics;
mod support;

use srdiff::diffusion::noise::{NOISE_LIMIT, normal4, normals_from_words, philox4x32};

/// The vectors published with Random123 for philox4x32-10.
#[test]
fn philox_gives_the_published_known_answers() {
    let cases = [
        (
            [0; 4],
            [0; 2],
            [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
        ),
        (
            [0xffff_ffff; 4],
            [0xffff_ffff; 2],
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
        ),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, expected) in cases {
        let words = philox4x32(counter, key);
        assert_eq!(
            words, expected,
            "philox4x32({counter:x?}, {key:x?}) is {words:x?}"
        );
    }
}

/// Two normals from two words in f64, from the definition.
fn box_muller_f64(radius_word: u32, angle_word: u32) -> [f64; 2] {
    let upper = (f64::from(!radius_word) + 0.5) / 4_294_967_296.0; // 1 - u
    let log = if upper < 0.5 {
        (-upper).ln_1p()
    } else {
        ((f64::from(radius_word) + 0.5) / 4_294_967_296.0).ln()
    };
    let radius = (-2.0 * log).sqrt();
    let angle = std::f64::consts::TAU * (f64::from(angle_word >> 6) + 0.5) / 67_108_864.0;
    [radius * angle.cos(), radius * angle.sin()]
}

/// Words at and beside every boundary of the range reductions.
fn boundary_words() -> Vec<u32> {
    let mut words = vec![0, 1, 2, 3, 0xB504_F333, 0xB504_F334];
    for bit in 0..32 {
        let power = 1u32 << bit;
        words.extend([power - 1, power, power + 1, power.wrapping_neg(), !power]);
        // sqrt(1/2) of each binade, where the reduction changes sides.
        words.extend([0xB504_F333 >> bit, 0xB504_F334 >> bit]);
    }
    for eighth in 0..8u32 {
        let edge = eighth << 29;
        words.extend([
            edge,
            edge.wrapping_sub(1),
            edge.wrapping_sub(64),
            edge + 63,
            edge + 64,
        ]);
    }
    words
}

#[test]
fn the_transform_agrees_with_f64() {
    let boundary = boundary_words();
    let pairs = boundary
        .iter()
        .flat_map(|&a| boundary.iter().map(move |&b| (a, b)));
    let drawn = (0..1_000_000).map(|i| {
        let words = philox4x32([i, 0, 0, 0], [1, 2]);
        (words[0], words[1])
    });
    let mut worst = 0.0f64;
    for (a, b) in pairs.chain(drawn) {
        let [cos, sin, ..] = normals_from_words([a, b, 0, 0]);
        let expected = box_muller_f64(a, b);
        for (value, expected) in [cos, sin].into_iter().zip(expected) {
            let error = (f64::from(value) - expected).abs();
            assert!(error < 1e-6, "words {a:#x} {b:#x}: {value} for {expected}");
            worst = worst.max(error);
        }
    }
    println!("largest error {worst:.2e}");
}

/// Near u = 1 the radius goes to zero, and has to keep its relative precision.
#[test]
fn small_radii_are_relatively_precise() {
    for radius_word in (0..64u32).map(|i| !i).chain((0..31).map(|bit| !(1 << bit))) {
        let [value, ..] = normals_from_words([radius_word, 0, 0, 0]);
        let [expected, _] = box_muller_f64(radius_word, 0);
        let error = (f64::from(value) / expected - 1.0).abs();
        assert!(
            error < 1e-6,
            "word {radius_word:#x}: {value} for {expected}"
        );
    }
}

#[test]
fn both_pairs_use_the_same_transform_and_the_tail_reaches_six_sigma() {
    let [a, b, c, d] = normals_from_words([7, 11 << 24, 7, 11 << 24]);
    assert_eq!([a, b], [c, d]);
    let [largest, ..] = normals_from_words([0, 0, 0, 0]);
    assert!((6.76..6.77).contains(&largest), "{largest}");
}

/// Each argument stands where the definition of the counter puts it.
#[test]
fn normal4_packs_seed_position_sample_step_and_channel() {
    let seed = 0x0123_4567_89ab_cdef;
    let words = philox4x32(
        [5, (-3i32) as u32, 9, 100 << 12 | 2],
        [0x89ab_cdef, 0x0123_4567],
    );
    assert_eq!(
        normal4(seed, 5, (-3i32) as u32, 9, 100, 2),
        normals_from_words(words)
    );
}

/// Large numbers are set to the limit, about one in 16,000; all others are as
/// the transform gives them.
#[test]
fn normal4_ends_at_the_limit() {
    let mut beyond = 0;
    for x in 0..100_000 {
        let normals = normals_from_words(philox4x32([x, 0, 0, 0], [1, 0]));
        for (noise, normal) in normal4(1, x, 0, 0, 0, 0).into_iter().zip(normals) {
            if normal.abs() > NOISE_LIMIT {
                assert_eq!(noise, NOISE_LIMIT.copysign(normal));
                beyond += 1;
            } else {
                assert_eq!(noise, normal);
            }
        }
    }
    assert!((10..45).contains(&beyond), "{beyond} of 400,000");
}

/// Whatever the order of the calls: a tile, drawn alone and backwards, gets its
/// part of the whole image's noise.
#[test]
fn normal4_depends_on_its_arguments_alone() {
    let at = |x: u32, y: u32| normal4(5, x, y, 0, 100, 0);
    let image: Vec<[f32; 4]> = (0..12)
        .flat_map(|y| (0..20).map(move |x| at(x, y)))
        .collect();
    for y in (4..9).rev() {
        for x in (13..19).rev() {
            assert_eq!(at(x, y), image[(20 * y + x) as usize], "{x}, {y}");
        }
    }
    let mut bits: Vec<[u32; 4]> = image.iter().map(|z| z.map(f32::to_bits)).collect();
    bits.sort_unstable();
    bits.dedup();
    assert_eq!(bits.len(), image.len(), "every pixel has its own noise");
}
