//! Mish and exp for vectorised loops; the twin of
//! `shaders/include/activation.wgsl`.

use super::simd::Fma;

/// `x * tanh(ln(1 + exp(x)))` as `x n / (n + 2)`, `n = e (e + 2)`, `e = exp(x)`;
/// within a few units in the last place where the result is not tiny.
#[inline(always)]
pub(super) fn mish(fma: Fma, x: f32) -> f32 {
    // From 20 on the quotient is 1 in f32.
    let e = exp(fma, if x < 20.0 { x } else { 20.0 });
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

/// The derivative of [`mish`]: `n / (n + 2) + 4 x e (e + 1) / (n + 2)²`.
#[inline(always)]
pub(super) fn mish_gradient(fma: Fma, x: f32) -> f32 {
    // From 20 on it is 1 in f32.
    let x = if x < 20.0 { x } else { 20.0 };
    let e = exp(fma, x);
    let n = e * (e + 2.0);
    let rate = 1.0 / (n + 2.0);
    // Not `4 x` first: that may be infinite, and times a zero NaN.
    fma.fma(x * e * rate, 4.0 * (e + 1.0) * rate, n * rate)
}

/// `exp(x)` for `x` up to 88; zero from -87 down, where it is less than 2e-38.
///
/// Written so that it vectorises on any instruction set: `x = k ln 2 + r`,
/// `|r| <= ln(2) / 2`, Taylor's polynomial of `exp(r)` (error 4e-9 relative)
/// and `2^k` by its bits.
#[inline(always)]
pub(super) fn exp(fma: Fma, x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4; // 9 bits: k times it is exact
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let held = if x > -87.0 { x } else { -87.0 };
    let shifted = fma.fma(held, std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = fma.fma(-k, LN_2_LOW, fma.fma(-k, LN_2_HIGH, held));
    let coefficients = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let mut p = 1.0 / 5040.0;
    for coefficient in coefficients {
        p = fma.fma(p, r, coefficient);
    }
    // The low bits of `shifted` are k; moved to the exponent they multiply by 2^k.
    let scaled = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x > -87.0 { scaled } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_mish_agree_with_f64() {
        for (fma, i) in Fma::ALL
            .into_iter()
            .flat_map(|fma| (-869_999..880_000).map(move |i| (fma, i)))
        {
            let x = i as f32 / 10_000.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(fma, x)) / expected - 1.0).abs();
            assert!(error < 3e-7, "exp({x}): {error:e} off");
            let expected = f64::from(x) * f64::from(x).exp().ln_1p().tanh();
            let error = (f64::from(mish(fma, x)) - expected).abs();
            let allowed = 4e-7 * expected.abs() + 1e-36;
            assert!(error <= allowed, "mish({x}): {error:e} off");
        }
    }
}
