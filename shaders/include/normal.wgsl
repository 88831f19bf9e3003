// Standard normal noise as a function of position: the twin of
// src/diffusion/noise.rs, operation for operation. Functions only.
//
//   words   = Philox4x32-10(counter, key)        (Salmon et al. 2011)
//   key     = seed, low half first
//   counter = [x, y, sample, step << 12 | channel / 4]
//   normals = sqrt(-2 ln u) (cos a, sin a)       (Box & Muller 1958)
//   u       = (word + 0.5) / 2^32                words 0 and 2
//   a       = 2 pi ((word >> 6) + 0.5) / 2^26    words 1 and 3
//   noise   = clamp(normals, -NOISE_LIMIT, NOISE_LIMIT)
//
// Built-in log, cos and sin are too loose to agree between devices, so range
// reduction is done in integers and the functions are polynomials. Integers are
// converted to f32 only with 24 significant bits or fewer, which is exact.

const NOISE_LIMIT: f32 = 4.0;

// High and low half of a 64-bit product, from products of 16-bit halves.
fn noise_multiply(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xFFFFu;
    let a1 = a >> 16u;
    let b0 = b & 0xFFFFu;
    let b1 = b >> 16u;
    // Neither sum below can overflow: (2^16 - 1)^2 + 2^16 - 1 < 2^32.
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let carry = a0 * b1 + (middle & 0xFFFFu);
    return vec2<u32>(a1 * b1 + (middle >> 16u) + (carry >> 16u), a * b);
}

// Four random words from a counter and a key.
fn philox4x32(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        let p0 = noise_multiply(0xD2511F53u, c.x);
        let p1 = noise_multiply(0xCD9E8D57u, c.z);
        c = vec4<u32>(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// sqrt(v) for v > 0, with one Newton step after the built-in one.
fn noise_square_root(v: f32) -> f32 {
    let r = sqrt(v);
    return r - (r * r - v) * (0.5 / r);
}

// n with all but its 24 leading significant bits cleared.
fn noise_leading_24_bits(n: u32) -> f32 {
    let dropped = 8u - min(countLeadingZeros(n), 8u);
    return f32((n >> dropped) << dropped);
}

// ln(1 + z) for 1 + z in [sqrt(1/2), sqrt(2)]: z - z^2 / 2 + z^3 P(z).
fn noise_log1p(z: f32) -> f32 {
    var p = -0.07634494;
    p = p * z + 0.12761575;
    p = p * z - 0.13160183;
    p = p * z + 0.14201759;
    p = p * z - 0.16623357;
    p = p * z + 0.20001227;
    p = p * z - 0.2500082;
    p = p * z + 0.3333333;
    let square = z * z;
    return z - (0.5 * square - z * square * p);
}

// -ln((word + 0.5) / 2^32), as k ln 2 - ln(1 + z) with k and z from integers.
fn noise_negative_log(word: u32) -> f32 {
    let top = word >> 31u;
    let n = select(2u * word + 1u, word, top == 1u);
    let zeros = countLeadingZeros(n);
    let mantissa = n << zeros;
    var z: f32;
    var k = 1u + zeros - top;
    if mantissa >= 0xB504F334u { // 2^32 sqrt(1/2)
        z = -(noise_leading_24_bits(~mantissa) + 0.5) * 0x1p-32f;
    } else {
        z = noise_leading_24_bits(mantissa - 0x80000000u) * 0x1p-31f;
        k += 1u;
    }
    return f32(k) * 0.6931472 - noise_log1p(z);
}

// cos and sin of the angle of a word: whole quarter turns in integers, and t in
// [-pi/4, pi/4] by polynomials in t^2.
fn noise_cos_sin(word: u32) -> vec2<f32> {
    let n = word >> 6u;
    let quarter = (n + 0x800000u) >> 24u;
    let offset = bitcast<i32>(n - (quarter << 24u));
    let t = (f32(offset) + 0.5) * (1.5707964f * 0x1p-24f); // pi / 2 / 2^24
    let square = t * t;

    var p = -0.00019495636;
    p = p * square + 0.008331979;
    p = p * square - 0.16666651;
    let s = t + t * square * p;

    var q = 2.4438452e-5;
    q = q * square - 0.0013887368;
    q = q * square + 0.041666646;
    let c = 1.0 - (0.5 * square - square * square * q);

    let swapped = select(vec2<f32>(c, s), vec2<f32>(-s, c), (quarter & 1u) == 1u);
    return select(swapped, -swapped, (quarter & 2u) == 2u);
}

// Two normals from two words.
fn noise_box_muller(radius_word: u32, angle_word: u32) -> vec2<f32> {
    return noise_square_root(2.0 * noise_negative_log(radius_word)) * noise_cos_sin(angle_word);
}

// The noise of channels 4 channel_block .. of the pixel at (x, y) of the output
// image (negative positions as their i32 bits), for the step at timestep `step`.
fn normal4(seed: vec2<u32>, x: u32, y: u32, sample: u32, step: u32, channel_block: u32) -> vec4<f32> {
    let words = philox4x32(vec4<u32>(x, y, sample, (step << 12u) | channel_block), seed);
    let normals = vec4<f32>(
        noise_box_muller(words.x, words.y),
        noise_box_muller(words.z, words.w),
    );
    return clamp(normals, vec4<f32>(-NOISE_LIMIT), vec4<f32>(NOISE_LIMIT));
}

// v with the channels zeroed that an array of `channels` channels does not
// have in its block `block`.
fn existing(v: vec4<f32>, block: u32, channels: u32) -> vec4<f32> {
    let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), v, c < vec4<u32>(channels));
}
