//! A statistical battery over the addresses the sampler really uses: small
//! neighbouring integers. Each check's threshold is a normal score, so a sound
//! generator passes by chance alone and a broken one fails by far: those in
//! `flawed.rs` show that it does.

use crate::dependence::{avalanche, correlations};
use crate::statistics::{bytes, histogram, moments, tails};
use rayon::prelude::*;
use srdiff::diffusion::noise::{normals_from_words, philox4x32};

/// What a noise value is a function of.
#[derive(Clone, Copy)]
pub struct Address {
    pub seed: u64,
    pub x: u32,
    pub y: u32,
    pub sample: u32,
    pub step: u32,
    pub block: u32,
}

pub const BASE: Address = Address {
    seed: 0,
    x: 0,
    y: 0,
    sample: 0,
    step: 99,
    block: 0,
};

pub type Generator<'a> = &'a (dyn Fn(Address) -> [u32; 4] + Sync);

/// The product's: the same counter and key as `normal4`.
pub fn product(a: Address) -> [u32; 4] {
    philox4x32(counter(a), key(a))
}

pub fn counter(a: Address) -> [u32; 4] {
    [a.x, a.y, a.sample, a.step << 12 | a.block]
}

pub fn key(a: Address) -> [u32; 2] {
    [a.seed as u32, (a.seed >> 32) as u32]
}

pub const SIDE: u32 = 1024;
/// Normal scores beyond which a check fails. There are about 1000 scores of the
/// first kind and 18,000 of the second.
const SCORE: f64 = 4.5;
pub const AVALANCHE_SCORE: f64 = 5.5;

/// Every check the generator fails, in words.
pub fn failures(generator: Generator) -> Vec<String> {
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

#[test]
fn the_generator_passes() {
    let failures = failures(&product);
    assert!(failures.is_empty(), "{failures:#?}");
}
