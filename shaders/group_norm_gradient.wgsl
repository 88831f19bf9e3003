// group_norm_gradient: the gradients of group_norm.wgsl without an epilogue.
// With z = (x - mean) * rate, rate = 1 / sqrt(variance + epsilon), and
// g = dy * weight[c]:
//
//   dx = rate * (g - mean(g) - z * mean(g * z)), means over a sample's group
//   dweight[c] = sum of dy * z, dbias[c] = sum of dy, over samples and pixels
//
// Three kernels, after statistics_of_group of group_norm.wgsl:
// `sums_of_channels` where PASS is 0, `terms_of_channels` where it is 1, and
// `gradient_of_x` where it is 2.
//
// Layout: x, dy and dx are (N, C/4, H, W) of vec4. statistics is
// (N, 2 * GROUPS): mean and rate of each group. channel_sums is (N, 3, C/4 * 4): of dy,
// of dy * z, and of x - mean, which tells how far the mean is rounded. terms is (N, 3, C/4 * 4): a, b and d of
// dx = a dy + b (x - mean) + d, mean as it is rounded. dweight and dbias are (C).
//
// Dispatch: sums_of_channels: a workgroup of 256 for 4 channels of a sample,
// grid (C/4, N, 1). terms_of_channels: an invocation for each channel of a
// sample, workgroups of 64, grid (ceil(C/4 * 4 / 64), N, 1). gradient_of_x:
// workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: PASS; x_scalar and dy_scalar where it is 0 or 2, dx_scalar where
// it is 2.

override CHANNELS: u32 = 4u; // C
override GROUPS: u32 = 1u;

struct Dims {
    //: if PASS == 1
    samples: u32,
    pixels: u32,
    //: else
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    dy_offset: u32,
    dy_batch: u32,
    //: endif
    //: if PASS == 2
    dx_offset: u32,
    dx_batch: u32,
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: if PASS != 1
alias x_t = vec4<${x_scalar}>;
alias dy_t = vec4<${dy_scalar}>;
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> dy: array<dy_t>; // (N, C/4, H, W)
//: include "include/group_statistics.wgsl"
//: endif
//: if PASS == 0
@group(0) @binding(3) var<storage, read> statistics: array<f32>; // (N, 2 * GROUPS)
@group(0) @binding(4) var<storage, read_write> channel_sums: array<vec4<f32>>; // (N, 3, C/4)

const THREADS: u32 = 256u;

//: set SUM_TYPE = "vec4<f32>"
//: include "include/workgroup_sum.wgsl"

@compute @workgroup_size(256, 1, 1)
fn sums_of_channels(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let block = id.x;
    let n = id.y;
    let blocks = (CHANNELS + 3u) / 4u;
    let plane = dims.height * dims.width;
    let x_from = dims.x_offset + n * dims.x_batch + block * plane;
    let dy_from = dims.dy_offset + n * dims.dy_batch + block * plane;
    let mean = means_of_block(n, block);
    let rate = rates_of_block(n, block);
    var sum = vec4<f32>(0.0);
    var scaled = vec4<f32>(0.0);
    var rest = vec4<f32>(0.0);
    for (var p = thread; p < plane; p += THREADS) {
        let v = vec4<f32>(dy[dy_from + p]);
        let d = vec4<f32>(x[x_from + p]) - mean;
        sum += v;
        scaled += v * (d * rate);
        rest += d;
    }
    sum = workgroup_sum(thread, sum);
    scaled = workgroup_sum(thread, scaled);
    rest = workgroup_sum(thread, rest);
    if thread == 0u {
        channel_sums[3u * n * blocks + block] = sum;
        channel_sums[(3u * n + 1u) * blocks + block] = scaled;
        channel_sums[(3u * n + 2u) * blocks + block] = rest;
    }
}
//: endif
//: if PASS == 1
@group(0) @binding(1) var<storage, read> statistics: array<f32>; // (N, 2 * GROUPS)
@group(0) @binding(2) var<storage, read> channel_sums: array<f32>; // (N, 3, C/4 * 4)
@group(0) @binding(3) var<storage, read> w: array<f32>; // (C/4 * 4)
@group(0) @binding(4) var<storage, read_write> terms: array<f32>; // (N, 3, C/4 * 4)
@group(0) @binding(5) var<storage, read_write> dweight: array<f32>; // (C)
@group(0) @binding(6) var<storage, read_write> dbias: array<f32>; // (C)

fn stored_channels() -> u32 {
    return (CHANNELS + 3u) / 4u * 4u;
}

fn of_dy(n: u32, c: u32) -> f32 {
    return channel_sums[3u * n * stored_channels() + c];
}

fn of_dy_z(n: u32, c: u32) -> f32 {
    return channel_sums[(3u * n + 1u) * stored_channels() + c];
}

fn rate_of(n: u32, c: u32) -> f32 {
    return statistics[2u * (n * GROUPS + c / (CHANNELS / GROUPS)) + 1u];
}

fn group_elements() -> f32 {
    return f32(CHANNELS / GROUPS) * f32(dims.pixels);
}

// How much larger the mean of the group that starts with this channel is than its
// f32.
fn rounded_by(n: u32, first: u32) -> f32 {
    var sum = 0.0;
    for (var c = first; c < first + CHANNELS / GROUPS; c++) {
        sum += channel_sums[(3u * n + 2u) * stored_channels() + c];
    }
    return sum / group_elements();
}

@compute @workgroup_size(64, 1, 1)
fn terms_of_channels(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    let n = id.y;
    let stored = stored_channels();
    if c >= stored {
        return;
    }
    let to = 3u * n * stored + c;
    if c >= CHANNELS {
        terms[to] = 0.0;
        terms[to + stored] = 0.0;
        terms[to + 2u * stored] = 0.0;
        return;
    }
    let first = c / (CHANNELS / GROUPS) * (CHANNELS / GROUPS);
    let rounded = rounded_by(n, first);
    let rate = rate_of(n, c);
    var mean_g = 0.0;
    var mean_gz = 0.0;
    for (var other = first; other < first + CHANNELS / GROUPS; other++) {
        mean_g += w[other] * of_dy(n, other);
        mean_gz += w[other] * (of_dy_z(n, other) - rate * rounded * of_dy(n, other));
    }
    mean_g /= group_elements();
    mean_gz /= group_elements();
    let b = -rate * rate * mean_gz;
    terms[to] = w[c] * rate;
    terms[to + stored] = b;
    terms[to + 2u * stored] = -rate * mean_g - b * rounded;
    if n == 0u {
        var of_weight = 0.0;
        var of_bias = 0.0;
        for (var sample = 0u; sample < dims.samples; sample++) {
            let off = rate_of(sample, c) * rounded_by(sample, first);
            of_bias += of_dy(sample, c);
            of_weight += of_dy_z(sample, c) - off * of_dy(sample, c);
        }
        dweight[c] = of_weight;
        dbias[c] = of_bias;
    }
}
//: endif
//: if PASS == 2
@group(0) @binding(3) var<storage, read> statistics: array<f32>; // (N, 2 * GROUPS)
@group(0) @binding(4) var<storage, read> terms: array<vec4<f32>>; // (N, 3, C/4)
//: set STORED = dx_scalar
//: include "include/stored.wgsl"
alias dx_t = vec4<${dx_scalar}>;
@group(0) @binding(5) var<storage, read_write> dx: array<dx_t>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn gradient_of_x(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = (CHANNELS + 3u) / 4u;
    let block = id.z % blocks;
    let n = id.z / blocks;
    let mean = means_of_block(n, block);
    let from_terms = 3u * n * blocks + block;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    let d = vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]) - mean;
    let r = terms[from_terms] * vec4<f32>(dy[dims.dy_offset + n * dims.dy_batch + position])
        + (terms[from_terms + blocks] * d + terms[from_terms + 2u * blocks]);
    dx[dims.dx_offset + n * dims.dx_batch + position] = stored(r);
}
//: endif
