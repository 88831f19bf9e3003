//! A statistical battery over the addresses the sampler really uses: small
//! neighbouring integers. Each check's threshold is a normal score, so a sound
//! generator passes by chance alone and a broken one fails by far; the broken
//! ones at the end show that it does.

use rayon::prelude::*;
use srdiff::diffusion::noise::{normals_from_words, philox4x32};

/// What a noise value is a function of.
#[derive(Clone, Copy)]
struct Address {
    seed: u64,
    x: u32,
    y: u32,
    sample: u32,
    step: u32,
    block: u32,
}

const BASE: Address = Address {
    seed: 0,
    x: 0,
    y: 0,
    sample: 0,
    step: 99,
    block: 0,
};

type Generator<'a> = &'a (dyn Fn(Address) -> [u32; 4] + Sync);

/// The product's: the same counter and key as `normal4`.
fn product(a: Address) -> [u32; 4] {
    philox4x32(counter(a), key(a))
}

fn counter(a: Address) -> [u32; 4] {
    [a.x, a.y, a.sample, a.step << 12 | a.block]
}

fn key(a: Address) -> [u32; 2] {
    [a.seed as u32, (a.seed >> 32) as u32]
}

const SIDE: u32 = 1024;
/// Normal scores beyond which a check fails. There are about 1000 scores of the
/// first kind and 18,000 of the second.
const SCORE: f64 = 4.5;
const AVALANCHE_SCORE: f64 = 5.5;

/// Every check the generator fails, in words.
fn failures(generator: Generator) -> Vec<String> {
    let words: Vec<[u32; 4]> = (0..SIDE * SIDE)
        .into_par_iter()
        .map(|i| {
            generator(Address {
                x: i % SIDE,
                y: i / SIDE,
                ..BASE
            })
        })
        .collect();
    let normals: Vec<[f32; 4]> = words.iter().map(|&w| normals_from_words(w)).collect();
    let mut scores = moments(&normals);
    scores.extend(tails(&normals));
    scores.push(histogram(&normals));
    scores.extend(bytes(&words));
    scores.extend(correlations(generator, &normals));
    let mut failures: Vec<String> = scores
        .into_iter()
        .filter(|(_, score)| score.is_nan() || score.abs() >= SCORE)
        .map(|(check, score)| format!("{check}: score {score:.1}"))
        .collect();
    failures.extend(avalanche(generator));
    failures
}

type Score = (String, f64);

/// Mean of `x^p` against the normal distribution's, for p = 1, 2, 3, 4, 6.
fn moments(normals: &[[f32; 4]]) -> Vec<Score> {
    // E x^p and E x^2p.
    [
        (1, 0.0, 1.0),
        (2, 1.0, 3.0),
        (3, 0.0, 15.0),
        (4, 3.0, 105.0),
        (6, 15.0, 10_395.0),
    ]
    .into_iter()
    .map(|(power, expected, square)| {
        let n = (normals.len() * 4) as f64;
        let sum: f64 = normals
            .iter()
            .flatten()
            .map(|&z| f64::from(z).powi(power))
            .sum();
        let deviation: f64 = f64::sqrt(square - expected * expected);
        (
            format!("moment {power}"),
            (sum / n - expected) * n.sqrt() / deviation,
        )
    })
    .collect()
}

/// How many values lie beyond some sigmas, on each side.
fn tails(normals: &[[f32; 4]]) -> Vec<Score> {
    // 1 - Phi(threshold).
    let upper = [
        (1.0, 0.158_655_253_931_457),
        (2.0, 0.022_750_131_948_179),
        (3.0, 0.001_349_898_031_630),
        (4.0, 3.167_124_183_311_99e-5),
        (4.5, 3.397_673_124_730_06e-6),
    ];
    let mut scores = Vec::new();
    for (threshold, p) in upper {
        for sign in [1.0, -1.0f32] {
            let count = normals
                .iter()
                .flatten()
                .filter(|&&z| z * sign > threshold)
                .count();
            let n = (normals.len() * 4) as f64;
            let score = (count as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
            scores.push((format!("tail beyond {}", threshold * sign), score));
        }
    }
    scores
}

/// Chi-square of the values over 16 cells of equal probability.
fn histogram(normals: &[[f32; 4]]) -> Score {
    // Phi^-1(k / 16) for k = 8..16; the others are their negatives.
    const EDGES: [f32; 8] = [
        0.0,
        0.157_310_68,
        0.318_639_36,
        0.488_776_4,
        0.674_489_74,
        0.887_146_56,
        1.150_349_4,
        1.534_120_5,
    ];
    let mut counts = [0u32; 16];
    for &z in normals.iter().flatten() {
        let beyond = EDGES.iter().filter(|&&edge| z.abs() >= edge).count();
        counts[if z < 0.0 { 8 - beyond } else { 7 + beyond }] += 1;
    }
    ("histogram".to_owned(), chi_square_score(&counts))
}

/// Chi-square of each byte of each word over its 256 values.
fn bytes(words: &[[u32; 4]]) -> Vec<Score> {
    let mut scores = Vec::new();
    for word in 0..4 {
        for byte in 0..4 {
            let mut counts = [0u32; 256];
            for w in words {
                counts[w[word].to_le_bytes()[byte] as usize] += 1;
            }
            scores.push((
                format!("byte {byte} of word {word}"),
                chi_square_score(&counts),
            ));
        }
    }
    scores
}

/// Chi-square of counts that ought to be equal, as a normal score (Wilson &
/// Hilferty 1931).
fn chi_square_score(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
    let expected = total / counts.len() as f64;
    let chi: f64 = counts
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    let freedom = (counts.len() - 1) as f64;
    let variance = 2.0 / (9.0 * freedom);
    ((chi / freedom).cbrt() - (1.0 - variance)) / variance.sqrt()
}

const EXCHANGED: &str = "x and y exchanged";

/// Sums over pixels of the products of each channel with each channel of the
/// neighbour, of the values and of their squares.
#[derive(Default)]
struct Sums {
    count: u64,
    products: [[f64; 2]; 16],
}

impl Sums {
    fn join(self, other: Sums) -> Sums {
        let add = |k: usize, of: usize| self.products[k][of] + other.products[k][of];
        Sums {
            count: self.count + other.count,
            products: std::array::from_fn(|k| [add(k, 0), add(k, 1)]),
        }
    }
}

/// Correlation of the values, and of their squares, between the channels of a
/// pixel and between a pixel and its neighbours in every argument.
fn correlations(generator: Generator, normals: &[[f32; 4]]) -> Vec<Score> {
    type Neighbour = fn(Address) -> Address;
    let neighbours: [(&str, Neighbour); 15] = [
        ("the pixel itself", |a| a),
        ("x + 1", |a| Address { x: a.x + 1, ..a }),
        ("x + 2", |a| Address { x: a.x + 2, ..a }),
        ("y + 1", |a| Address { y: a.y + 1, ..a }),
        ("x + 1, y + 1", |a| Address {
            x: a.x + 1,
            y: a.y + 1,
            ..a
        }),
        ("x + 1, y - 1", |a| Address {
            x: a.x + 1,
            y: a.y.wrapping_sub(1),
            ..a
        }),
        (EXCHANGED, |a| Address {
            x: a.y,
            y: a.x,
            ..a
        }),
        ("sample + 1", |a| Address {
            sample: a.sample + 1,
            ..a
        }),
        ("step - 1", |a| Address {
            step: a.step - 1,
            ..a
        }),
        ("step + 1", |a| Address {
            step: a.step + 1,
            ..a
        }),
        ("channel block + 1", |a| Address {
            block: a.block + 1,
            ..a
        }),
        ("sample + 1, step - 1", |a| Address {
            sample: 1,
            step: a.step - 1,
            ..a
        }),
        ("seed + 1", |a| Address {
            seed: a.seed + 1,
            ..a
        }),
        ("seed + 2^32", |a| Address {
            seed: a.seed + (1 << 32),
            ..a
        }),
        ("seed + 1, x + 1", |a| Address {
            seed: a.seed + 1,
            x: a.x + 1,
            ..a
        }),
    ];
    let mut scores = Vec::new();
    for (name, neighbour) in neighbours {
        let add = |mut sums: Sums, (i, here): (usize, &[f32; 4])| {
            let (x, y) = (i as u32 % SIDE, i as u32 / SIDE);
            if name == EXCHANGED && x >= y {
                return sums; // Each pair once, and no pixel with itself.
            }
            let other = normals_from_words(generator(neighbour(Address { x, y, ..BASE })));
            let square = |z: f32| (f64::from(z).powi(2) - 1.0) / std::f64::consts::SQRT_2;
            for (k, sum) in sums.products.iter_mut().enumerate() {
                let (a, b) = (here[k / 4], other[k % 4]);
                sum[0] += f64::from(a) * f64::from(b);
                sum[1] += square(a) * square(b);
            }
            sums.count += 1;
            sums
        };
        let Sums { count, products } = normals
            .par_iter()
            .enumerate()
            .fold(Sums::default, add)
            .reduce(Sums::default, Sums::join);
        let scale = (count as f64).sqrt();
        for (k, sum) in products.iter().enumerate() {
            let (a, b) = (k / 4, k % 4);
            if name == "the pixel itself" && a >= b {
                continue;
            }
            scores.push((format!("channel {a} with {b} at {name}"), sum[0] / scale));
            scores.push((
                format!("channel {a} with {b} at {name}, squared"),
                sum[1] / scale,
            ));
        }
    }
    scores
}

/// Flipping any one bit of an argument has to flip every output bit half the
/// time. Returns the argument bits for which some output bit fails.
fn avalanche(generator: Generator) -> Vec<String> {
    type Flip = fn(Address, u32) -> Address;
    let arguments: [(&str, u32, Flip); 6] = [
        ("x", 32, |a, bit| Address {
            x: a.x ^ 1 << bit,
            ..a
        }),
        ("y", 32, |a, bit| Address {
            y: a.y ^ 1 << bit,
            ..a
        }),
        ("sample", 8, |a, bit| Address {
            sample: a.sample ^ 1 << bit,
            ..a
        }),
        ("step", 13, |a, bit| Address {
            step: a.step ^ 1 << bit,
            ..a
        }),
        ("channel block", 2, |a, bit| Address {
            block: a.block ^ 1 << bit,
            ..a
        }),
        ("seed", 64, |a, bit| Address {
            seed: a.seed ^ 1 << bit,
            ..a
        }),
    ];
    const TRIALS: u32 = 4096;
    let mut failures = Vec::new();
    for (name, bits, flip) in arguments {
        for bit in 0..bits {
            let mut flips = [0u32; 128];
            for trial in 0..TRIALS {
                let address = Address {
                    x: trial % 64,
                    y: trial / 64,
                    ..BASE
                };
                let (a, b) = (generator(address), generator(flip(address, bit)));
                for (k, count) in flips.iter_mut().enumerate() {
                    *count += (a[k / 32] ^ b[k / 32]) >> (k % 32) & 1;
                }
            }
            let n = f64::from(TRIALS);
            let worst = flips
                .iter()
                .map(|&count| (f64::from(count) - n / 2.0).abs() / (n / 4.0).sqrt())
                .fold(0.0, f64::max);
            if worst >= AVALANCHE_SCORE {
                failures.push(format!(
                    "avalanche of bit {bit} of {name}: score {worst:.1}"
                ));
            }
        }
    }
    failures
}

#[test]
fn the_generator_passes() {
    let failures = failures(&product);
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Asserts that the battery fails `generator`, and by the check expected.
fn assert_caught(generator: Generator, check: &str) {
    let failures = failures(generator);
    assert!(
        failures.iter().any(|failure| failure.starts_with(check)),
        "`{check}` did not fail; these did: {failures:#?}"
    );
}

/// Philox with another number of rounds, written apart from the product's.
fn philox_rounds(rounds: u32, c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    (0..rounds).fold(c, |c, round| {
        let p = u64::from(c[0]) * 0xD251_1F53;
        let q = u64::from(c[2]) * 0xCD9E_8D57;
        let k0 = k[0].wrapping_add(round.wrapping_mul(0x9E37_79B9));
        let k1 = k[1].wrapping_add(round.wrapping_mul(0xBB67_AE85));
        [
            (q >> 32) as u32 ^ c[1] ^ k0,
            q as u32,
            (p >> 32) as u32 ^ c[3] ^ k1,
            p as u32,
        ]
    })
}

#[test]
fn three_rounds_are_too_few() {
    let a = Address {
        seed: 12345,
        x: 6,
        y: 7,
        ..BASE
    };
    assert_eq!(philox_rounds(10, counter(a), key(a)), product(a));
    assert_caught(
        &|a| philox_rounds(3, counter(a), key(a)),
        "avalanche of bit 0 of x",
    );
}

#[test]
fn x_and_y_in_one_word_are_caught() {
    let sum = |a: Address| {
        product(Address {
            x: a.x.wrapping_add(a.y),
            y: 0,
            ..a
        })
    };
    assert_caught(&sum, "channel 0 with 0 at x + 1, y - 1");
    let symmetric = |a: Address| {
        product(Address {
            x: a.x.min(a.y),
            y: a.x.max(a.y),
            ..a
        })
    };
    assert_caught(&symmetric, "channel 0 with 0 at x and y exchanged");
    // Packed for pictures of at most 512 pixels a row.
    let packed = |a: Address| {
        product(Address {
            x: a.x | a.y << 9,
            y: 0,
            ..a
        })
    };
    assert_caught(&packed, "channel 0 with 0 at y + 1");
}

#[test]
fn arguments_left_out_are_caught() {
    assert_caught(
        &|a| product(Address { step: 0, ..a }),
        "channel 0 with 0 at step - 1",
    );
    assert_caught(
        &|a| product(Address { sample: 0, ..a }),
        "channel 0 with 0 at sample + 1",
    );
    assert_caught(
        &|a| product(Address { block: 0, ..a }),
        "channel 0 with 0 at channel block",
    );
    let low_seed = |a: Address| {
        product(Address {
            seed: a.seed & 0xffff_ffff,
            ..a
        })
    };
    assert_caught(&low_seed, "channel 0 with 0 at seed + 2^32");
    let mixed = |a: Address| {
        product(Address {
            step: a.step + a.sample,
            sample: 0,
            ..a
        })
    };
    assert_caught(&mixed, "channel 0 with 0 at sample + 1, step - 1");
    let walking = |a: Address| {
        product(Address {
            x: a.x.wrapping_sub(a.seed as u32),
            seed: 0,
            ..a
        })
    };
    assert_caught(&walking, "channel 0 with 0 at seed + 1, x + 1");
}

#[test]
fn poor_words_are_caught() {
    let coarse = |a: Address| product(a).map(|word| word & 0xffff_0000);
    assert_caught(&coarse, "byte 0 of word 0");
    let reused = |a: Address| {
        let [a, _, c, _] = product(a);
        [a, a, c, c]
    };
    assert_caught(&reused, "moment");
    let same_pair = |a: Address| {
        let [a, b, ..] = product(a);
        [a, b, a, b]
    };
    assert_caught(&same_pair, "channel 0 with 2 at the pixel itself");
    // One radius for both pairs: uncorrelated values of correlated size.
    let same_radius = |a: Address| {
        let [a, b, _, d] = product(a);
        [a, b, a, d]
    };
    assert_caught(
        &same_radius,
        "channel 0 with 2 at the pixel itself, squared",
    );
    // Radii of 12 bits end at 4.1 sigma.
    let short_tail = |a: Address| {
        let [a, b, c, d] = product(a);
        [a | 0xfffff, b, c | 0xfffff, d]
    };
    assert_caught(&short_tail, "tail beyond 4");
}
