//! The noise generator: known answers, accuracy, layouts, statistics, and its
//! WGSL twin on every adapter there is.

#[path = "noise/battery.rs"]
mod battery;
#[path = "noise/dependence.rs"]
mod dependence;
#[path = "noise/flawed.rs"]
mod flawed;
#[path = "noise/gpu.rs"]
mod gpu;
#[path = "noise/statistics.rs"]
mod statistics;

use srdiff::diffusion::noise::{normal4, normals_from_words, philox4x32};
use srdiff::diffusion::{NoiseLayout, NoiseRegion, fill_noise};

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

/// Every element of both layouts, at sizes that divide by nothing, with the
/// origin in the padding.
#[test]
fn fill_noise_puts_each_value_where_its_layout_says() {
    let (seed, sample, step) = (77, 3, 42);
    for channels in [1, 3, 4, 6] {
        let region = NoiseRegion {
            x: -2,
            y: -1,
            width: 7,
            height: 5,
            channels,
        };
        let mut hwc = vec![f32::NAN; 7 * 5 * channels];
        let mut chw = hwc.clone();
        fill_noise(&mut hwc, NoiseLayout::Hwc, &region, seed, sample, step);
        fill_noise(&mut chw, NoiseLayout::Chw, &region, seed, sample, step);
        for y in 0..5 {
            for x in 0..7 {
                for c in 0..channels {
                    let (px, py) = ((x as i32 - 2) as u32, (y as i32 - 1) as u32);
                    let expected = normal4(seed, px, py, sample, step, c as u32 / 4)[c % 4];
                    assert_eq!(hwc[(y * 7 + x) * channels + c], expected, "hwc {x} {y} {c}");
                    assert_eq!(chw[(c * 5 + y) * 7 + x], expected, "chw {x} {y} {c}");
                }
            }
        }
    }
}

/// A tile's noise is that part of the whole picture's.
#[test]
fn tiles_see_one_field() {
    let whole = NoiseRegion {
        x: 0,
        y: 0,
        width: 20,
        height: 12,
        channels: 3,
    };
    let tile = NoiseRegion {
        x: 13,
        y: 4,
        width: 6,
        height: 5,
        channels: 3,
    };
    let fill = |region: &NoiseRegion| {
        let mut buffer = vec![0.0; region.width * region.height * region.channels];
        fill_noise(&mut buffer, NoiseLayout::Hwc, region, 5, 0, 100);
        buffer
    };
    let (field, part) = (fill(&whole), fill(&tile));
    for y in 0..5 {
        let start = ((y + 4) * 20 + 13) * 3;
        assert_eq!(part[y * 18..][..18], field[start..][..18], "row {y}");
    }
}

#[test]
fn an_empty_region_is_no_noise() {
    let region = NoiseRegion {
        x: 0,
        y: 0,
        width: 0,
        height: 4,
        channels: 3,
    };
    fill_noise(&mut [], NoiseLayout::Hwc, &region, 0, 0, 0);
    fill_noise(&mut [], NoiseLayout::Chw, &region, 0, 0, 0);
}

#[test]
#[should_panic(expected = "fill_noise: buffer length")]
fn a_buffer_of_another_size_is_refused() {
    let region = NoiseRegion {
        x: 0,
        y: 0,
        width: 2,
        height: 2,
        channels: 3,
    };
    fill_noise(&mut [0.0; 11], NoiseLayout::Hwc, &region, 0, 0, 0);
}
