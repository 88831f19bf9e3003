// group_norm: group normalisation, torch.nn.GroupNorm.
//
//   y = epilogue((x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c])
//
// mean and biased variance over a sample's group of C / GROUPS channels and
// all pixels. Two kernels: `statistics_of_group` where STATISTICS is 1, then
// `normalize` where it is 0.
//
// Layout: x and y are (N, C/4, H, W) of vec4; a group may begin and end
// inside a block of 4 channels. statistics is (N, 2 * GROUPS) in f32: mean,
// then 1 / sqrt(variance + epsilon), of each group.
//
// Dispatch: statistics_of_group: a workgroup of 256 for each sample and group,
// grid (GROUPS, N, 1); it sums in a fixed order, twice: differences from the
// group's first element, which give the mean, then squared differences from
// that, so that a large mean costs no accuracy.
// normalize: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: STATISTICS, x_scalar, and those of the epilogue for normalize.

override CHANNELS: u32 = 4u; // C
override GROUPS: u32 = 1u;
//: if STATISTICS
override EPSILON: f32 = 1e-5;

const THREADS: u32 = 256u;
//: endif

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    //: if not STATISTICS
    //: include "include/epilogue_dims.wgsl"
    //: endif
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
//: if STATISTICS
@group(0) @binding(8) var<storage, read_write> statistics: array<f32>; // (N, 2 * GROUPS)

//: set SUM_TYPE = "f32"
//: include "include/workgroup_sum.wgsl"

// Which lanes of a block are channels in begin..end.
fn lanes_between(block: u32, begin: u32, end: u32) -> vec4<bool> {
    let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
    return (c >= vec4<u32>(begin)) & (c < vec4<u32>(end));
}

@compute @workgroup_size(256, 1, 1)
fn statistics_of_group(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = id.x;
    let n = id.y;
    let plane = dims.height * dims.width;
    let base = dims.x_offset + n * dims.x_batch;
    let channels = CHANNELS / GROUPS;
    let count = f32(channels * plane);

    // Channels begin..end of the sample: whole blocks are read, and lanes that
    // belong to a neighbouring group left out.
    let begin = group * channels;
    let end = begin + channels;
    let first = vec4<f32>(x[base + begin / 4u * plane])[begin % 4u];
    var sum = vec4<f32>(0.0);
    for (var block = begin / 4u; block * 4u < end; block++) {
        let ours = lanes_between(block, begin, end);
        for (var p = thread; p < plane; p += THREADS) {
            let d = vec4<f32>(x[base + block * plane + p]) - first;
            sum += select(vec4<f32>(0.0), d, ours);
        }
    }
    let mean = first + workgroup_sum(thread, sum.x + sum.y + sum.z + sum.w) / count;

    var squares = vec4<f32>(0.0);
    for (var block = begin / 4u; block * 4u < end; block++) {
        let ours = lanes_between(block, begin, end);
        for (var p = thread; p < plane; p += THREADS) {
            let d = vec4<f32>(x[base + block * plane + p]) - mean;
            squares += select(vec4<f32>(0.0), d * d, ours);
        }
    }
    let total = squares.x + squares.y + squares.z + squares.w;
    let variance = workgroup_sum(thread, total) / count;

    if thread == 0u {
        let at = 2u * (n * GROUPS + group);
        statistics[at] = mean;
        statistics[at + 1u] = 1.0 / sqrt(variance + EPSILON);
    }
}
//: else
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>; // (C/4)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (C/4)
@group(0) @binding(8) var<storage, read> statistics: array<f32>; // (N, 2 * GROUPS)

//: include "include/epilogue.wgsl"

@compute @workgroup_size(16, 4, 1)
fn normalize(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = (CHANNELS + 3u) / 4u;
    let block = id.z % blocks;
    let n = id.z / blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    var mean: vec4<f32>;
    var scale: vec4<f32>;
    for (var lane = 0u; lane < 4u; lane++) {
        // Padding channels take the last group's statistics; weight and bias
        // are zero there.
        let c = min(4u * block + lane, CHANNELS - 1u);
        let at = 2u * (n * GROUPS + c / (CHANNELS / GROUPS));
        mean[lane] = statistics[at];
        scale[lane] = statistics[at + 1u];
    }
    let v = vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]);
    let r = (v - mean) * scale * w[block] + bias[block];
    finish(r, n, block, position);
}
//: endif
