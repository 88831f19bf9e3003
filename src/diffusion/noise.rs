//! Standard normal noise as a function of seed and position.
//!
//! An image's noise does not depend on the device, on how the image is cut into
//! tiles or on the order of the work. `shaders/include/normal.wgsl` does the
//! same arithmetic, operation for operation.
//!
//! The random words are Philox4x32-10 (Salmon et al. 2011, "Parallel Random
//! Numbers: As Easy as 1, 2, 3") of
//!
//! ```text
//! key     = [seed low half, seed high half]
//! counter = [x, y, sample, step << 12 | channel / 4]
//! ```
//!
//! with `x`, `y` the absolute position in the output image and `step` the
//! timestep of the step that adds the noise; `x_T` is drawn at `step = T`. The
//! Box-Muller transform turns words 0 and 1 into channels `4k` and `4k + 1`, and
//! words 2 and 3 into the next two. Magnitudes end at [`NOISE_LIMIT`].
//!
//! A GPU's `log`, `cos` and integer conversions may be far less accurate than a
//! CPU's (Vulkan allows `cos` an error of 2^-11), so the transform uses none of
//! them. It reduces ranges in integers, converts at most 24 significant bits
//! (exact in f32) and evaluates polynomials. What remains is about 1e-6: a GPU
//! may fuse a multiplication with an addition and round division and square
//! root loosely.

const ROUNDS: u32 = 10;
const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Low bits of the last counter word that hold the channel block.
const CHANNEL_BLOCK_BITS: u32 = 12;

/// Largest magnitude of the noise of an image: larger normal numbers are set to it.
///
/// One number in 16,000 is larger. A network has hardly seen such noise in its
/// training and leaves a speck of it, which shows on flat colours.
pub const NOISE_LIMIT: f32 = 4.0;

/// Four random words from a counter and a key (Philox4x32-10).
#[inline(always)]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let a = u64::from(c0) * MULTIPLIERS[0];
        let b = u64::from(c2) * MULTIPLIERS[1];
        let (high_a, high_b) = ((a >> 32) as u32, (b >> 32) as u32);
        (c0, c1, c2, c3) = (high_b ^ c1 ^ k0, b as u32, high_a ^ c3 ^ k1, a as u32);
        k0 = k0.wrapping_add(KEY_INCREMENTS[0]);
        k1 = k1.wrapping_add(KEY_INCREMENTS[1]);
    }
    [c0, c1, c2, c3]
}

/// The noise of one pixel's four channels from `4 * channel_block` on.
///
/// `x` and `y` are the absolute position in the output image, negative ones
/// as `i32 as u32`; `step` is the timestep of the step that adds the noise, or
/// T for `x_T`. The values are independent over all arguments, standard normal
/// up to [`NOISE_LIMIT`].
///
/// # Panics
/// In debug builds, when `step` is 2^20 or more or `channel_block` 4096 or more.
#[inline(always)]
pub fn normal4(seed: u64, x: u32, y: u32, sample: u32, step: u32, channel_block: u32) -> [f32; 4] {
    debug_assert!(
        step < 1 << (32 - CHANNEL_BLOCK_BITS) && channel_block < 1 << CHANNEL_BLOCK_BITS,
        "normal4: step {step}, channel block {channel_block}",
    );
    let counter = [x, y, sample, step << CHANNEL_BLOCK_BITS | channel_block];
    let normals = normals_from_words(philox4x32(counter, [seed as u32, (seed >> 32) as u32]));
    normals.map(|z| z.clamp(-NOISE_LIMIT, NOISE_LIMIT))
}

/// [`normal4`] of pixels that lie side by side, given the arguments of the first
/// behind the seed. In code compiled for wide vectors, it takes several at once.
#[inline(always)]
pub fn normals_of_run(
    seed: u64,
    ([x, y], sample, step, channel_block): ([u32; 2], u32, u32, u32),
    normals: &mut [[f32; 4]],
) {
    for (i, normals) in normals.iter_mut().enumerate() {
        let x = x.wrapping_add(i as u32);
        *normals = normal4(seed, x, y, sample, step, channel_block);
    }
}

/// Four standard normal numbers from four uniform words: the Box-Muller
/// transform `sqrt(-2 ln u) (cos a, sin a)` of words 0, 1 and of words 2, 3.
///
/// `u` uses all 32 bits of a pair's first word, so that magnitudes range from
/// 7e-13 to 6.77; the angle `a` uses the upper 26 bits of the second.
#[inline(always)]
pub fn normals_from_words(words: [u32; 4]) -> [f32; 4] {
    let [a, b] = box_muller(words[0], words[1]);
    let [c, d] = box_muller(words[2], words[3]);
    [a, b, c, d]
}

#[inline(always)]
fn box_muller(radius_word: u32, angle_word: u32) -> [f32; 2] {
    let radius = square_root(2.0 * negative_log(radius_word));
    let [cos, sin] = cos_sin(angle_word);
    [radius * cos, radius * sin]
}

/// `sqrt(v)` for `v` > 0. The Newton step corrects a GPU's built-in root, which
/// may be off by several units in the last place.
#[inline(always)]
fn square_root(v: f32) -> f32 {
    let r = v.sqrt();
    r - (r * r - v) * (0.5 / r)
}

/// `-ln((word + 0.5) / 2^32)`, in about 1.2e-10 ..= 22.9, to a few units in the
/// last place.
///
/// Computed as `k ln 2 - ln(1 + z)` with `1 + z` in [sqrt(1/2), sqrt(2)). Both
/// `k` and `z` come from integers, so `z` keeps its relative precision where the
/// argument is near 1 and the logarithm is about `z`.
#[inline(always)]
fn negative_log(word: u32) -> f32 {
    // The argument is n / 2^(33 - top). A word of 32 bits loses its half here
    // and gets it back below, where it matters.
    let top = word >> 31;
    let n = if top == 1 { word } else { 2 * word + 1 };
    let zeros = n.leading_zeros();
    let mantissa = n << zeros;
    // 1 + z = mantissa / 2^32, or 2^31 below sqrt(1/2).
    let is_low = mantissa < SQRT_HALF;
    let bits = leading_24_bits(if is_low {
        mantissa & !(1 << 31)
    } else {
        !mantissa
    });
    let z = match is_low {
        true => bits * TWO_POW_MINUS_31,
        false => -(bits + 0.5) * TWO_POW_MINUS_32,
    };
    let k = 1 + u32::from(is_low) + zeros - top;
    // Below 2^31, which a vector converts faster as a signed number.
    k as i32 as f32 * std::f32::consts::LN_2 - log1p(z)
}

/// sqrt(1/2) as a fraction of 2^32.
const SQRT_HALF: u32 = 0xB504_F334;
const TWO_POW_MINUS_31: f32 = 1.0 / 2_147_483_648.0;
const TWO_POW_MINUS_32: f32 = 1.0 / 4_294_967_296.0;

/// `n` with all but its 24 leading significant bits cleared: exact in f32.
#[inline(always)]
fn leading_24_bits(n: u32) -> f32 {
    let dropped = 8 - n.leading_zeros().min(8);
    (n >> dropped << dropped) as f32
}

/// `ln(1 + z)` for `1 + z` in [sqrt(1/2), sqrt(2)]: `z - z^2 / 2 + z^3 P(z)`,
/// `P` minimax for the relative error (6e-9 before rounding).
#[inline(always)]
fn log1p(z: f32) -> f32 {
    let mut p = -0.076_344_94_f32;
    p = p * z + 0.127_615_75;
    p = p * z - 0.131_601_83;
    p = p * z + 0.142_017_59;
    p = p * z - 0.166_233_57;
    p = p * z + 0.200_012_27;
    p = p * z - 0.250_008_2;
    p = p * z + 0.333_333_3;
    let square = z * z;
    z - (0.5 * square - z * square * p)
}

/// `[cos a, sin a]` of the angle `a = 2 pi (n + 0.5) / 2^26`, `n` the upper 26
/// bits of `word`.
///
/// The angle is a multiple of a quarter turn plus `t` in [-pi/4, pi/4]; the
/// polynomials in `t^2` are minimax (2e-9 before rounding).
#[inline(always)]
fn cos_sin(word: u32) -> [f32; 2] {
    let n = word >> 6;
    let quarter = (n + (1 << 23)) >> 24;
    let offset = n.wrapping_sub(quarter << 24) as i32;
    let t = (offset as f32 + 0.5) * QUARTER_TURN_BY_TWO_POW_24;
    let square = t * t;

    let mut p = -0.000_194_956_36_f32;
    p = p * square + 0.008_331_979;
    p = p * square - 0.166_666_51;
    let sin = t + t * square * p;

    let mut q = 2.443_845_2e-5_f32;
    q = q * square - 0.001_388_736_8;
    q = q * square + 0.041_666_646;
    let cos = 1.0 - (0.5 * square - square * square * q);

    // Without branches, so that a loop over pixels becomes vectors.
    let swap = quarter & 1 == 1;
    let (x, y) = (if swap { -sin } else { cos }, if swap { cos } else { sin });
    let turn = quarter & 2 == 2;
    [if turn { -x } else { x }, if turn { -y } else { y }]
}

/// pi / 2 / 2^24.
const QUARTER_TURN_BY_TWO_POW_24: f32 = std::f32::consts::FRAC_PI_2 / 16_777_216.0;
