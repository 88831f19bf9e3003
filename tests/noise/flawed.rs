//! Generators with one flaw each, which the battery has to notice.

use crate::battery::{Address, BASE, Generator, counter, failures, key, product};

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
