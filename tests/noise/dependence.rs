//! Whether values depend on one another, or hang on some bit of an argument
//! too little.

use crate::battery::{AVALANCHE_SCORE, Address, BASE, Generator, SIDE};
use crate::statistics::Score;
use rayon::prelude::*;
use srdiff::diffusion::noise::normals_from_words;

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
pub fn correlations(generator: Generator, normals: &[[f32; 4]]) -> Vec<Score> {
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
pub fn avalanche(generator: Generator) -> Vec<String> {
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
