// group_norm: group normalisation, torch.nn.GroupNorm.
//
//   y = epilogue((x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c])
//
// mean and biased variance over a sample's group of C / GROUPS channels and
// all pixels. Two kernels: `statistics_of_group` where STATISTICS is 1, then
// `normalize` where it is 0. Of a large image, `statistics_of_part` where it is
// 2 and `join_parts` where it is 3 take the place of the first.
//
// Layout: x and y are (N, C/4, H, W) of vec4; a group may begin and end
// inside a block of 4 channels. statistics is (N, 2 * GROUPS) in f32: mean,
// then 1 / sqrt(variance + epsilon), of each group. part_statistics is
// (N, GROUPS, parts) of vec4: of the group's elements in PART pixels, the mean
// as it is rounded, the sums of differences from it and of their squares, and
// how many there are.
//
// Dispatch: statistics_of_group: a workgroup of 256 for each sample and group,
// grid (GROUPS, N, 1); it sums in a fixed order, twice: differences from the
// group's first element, which give the mean, then squared differences from
// that, so that a large mean costs no accuracy.
// statistics_of_part: the same for each part, grid (GROUPS, N, parts).
// join_parts: a workgroup of 256 for each sample and group, grid (GROUPS, N, 1).
// normalize: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: STATISTICS; x_scalar where it is not 3, and those of the epilogue
// where it is 0.

override CHANNELS: u32 = 4u; // C
override GROUPS: u32 = 1u;
//: if STATISTICS == 1 or STATISTICS == 3
override EPSILON: f32 = 1e-5;
//: endif
//: if STATISTICS == 2
override PART: u32 = 4096u;
//: endif
//: if STATISTICS

const THREADS: u32 = 256u;
//: endif

struct Dims {
    //: if STATISTICS != 3
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    //: endif
    //: if STATISTICS >= 2
    parts: u32, // of a group
    //: endif
    //: if not STATISTICS
    //: include "include/epilogue_dims.wgsl"
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: if STATISTICS != 3
alias x_t = vec4<${x_scalar}>;
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
//: endif
//: if STATISTICS
//: if STATISTICS == 2
@group(0) @binding(2) var<storage, read_write> part_statistics: array<vec4<f32>>; // (N, GROUPS, parts)
//: else
@group(0) @binding(8) var<storage, read_write> statistics: array<f32>; // (N, 2 * GROUPS)
//: endif

//: set SUM_TYPE = "f32"
//: include "include/workgroup_sum.wgsl"
//: endif
//: if STATISTICS == 3
@group(0) @binding(2) var<storage, read> part_statistics: array<vec4<f32>>; // (N, GROUPS, parts)

@compute @workgroup_size(256, 1, 1)
fn join_parts(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = id.y * GROUPS + id.x;
    let base = group * dims.parts;
    let first = part_statistics[base].x;
    var elements = 0.0;
    var sum = 0.0;
    for (var p = thread; p < dims.parts; p += THREADS) {
        let part = part_statistics[base + p];
        elements += part.w;
        sum += part.w * (part.x - first) + part.y;
    }
    let count = workgroup_sum(thread, elements);
    let mean = first + workgroup_sum(thread, sum) / count;

    var squares = 0.0;
    for (var p = thread; p < dims.parts; p += THREADS) {
        let part = part_statistics[base + p];
        let d = part.x - mean;
        squares += part.z + d * (2.0 * part.y + d * part.w);
    }
    let variance = workgroup_sum(thread, squares) / count;

    if thread == 0u {
        statistics[2u * group] = mean;
        statistics[2u * group + 1u] = 1.0 / sqrt(variance + EPSILON);
    }
}
//: endif
//: if STATISTICS == 1 or STATISTICS == 2

// Which lanes of a block are channels in begin..end.
fn lanes_between(block: u32, begin: u32, end: u32) -> vec4<bool> {
    let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
    return (c >= vec4<u32>(begin)) & (c < vec4<u32>(end));
}

@compute @workgroup_size(256, 1, 1)
fn ${"statistics_of_group" if STATISTICS == 1 else "statistics_of_part"}(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = id.x;
    let n = id.y;
    let plane = dims.height * dims.width;
    let base = dims.x_offset + n * dims.x_batch;
    let channels = CHANNELS / GROUPS;
    //: if STATISTICS == 1
    let start = 0u;
    let stop = plane;
    //: else
    let start = id.z * PART;
    let stop = min(start + PART, plane);
    //: endif
    let count = f32(channels * (stop - start));

    // Channels begin..end of the sample: whole blocks are read, and lanes that
    // belong to a neighbouring group left out.
    let begin = group * channels;
    let end = begin + channels;
    let first = vec4<f32>(x[base + begin / 4u * plane + start])[begin % 4u];
    var sum = vec4<f32>(0.0);
    for (var block = begin / 4u; block * 4u < end; block++) {
        let ours = lanes_between(block, begin, end);
        for (var p = start + thread; p < stop; p += THREADS) {
            let d = vec4<f32>(x[base + block * plane + p]) - first;
            sum += select(vec4<f32>(0.0), d, ours);
        }
    }
    let mean = first + workgroup_sum(thread, sum.x + sum.y + sum.z + sum.w) / count;

    //: if STATISTICS == 2
    var rest = vec4<f32>(0.0);
    //: endif
    var squares = vec4<f32>(0.0);
    for (var block = begin / 4u; block * 4u < end; block++) {
        let ours = lanes_between(block, begin, end);
        for (var p = start + thread; p < stop; p += THREADS) {
            let d = vec4<f32>(x[base + block * plane + p]) - mean;
            //: if STATISTICS == 2
            rest += select(vec4<f32>(0.0), d, ours);
            //: endif
            squares += select(vec4<f32>(0.0), d * d, ours);
        }
    }
    let total = squares.x + squares.y + squares.z + squares.w;
    //: if STATISTICS == 2
    let of_squares = workgroup_sum(thread, total);
    let of_rest = workgroup_sum(thread, rest.x + rest.y + rest.z + rest.w);

    if thread == 0u {
        let at = (n * GROUPS + group) * dims.parts + id.z;
        part_statistics[at] = vec4<f32>(mean, of_rest, of_squares, count);
    }
    //: else
    let variance = workgroup_sum(thread, total) / count;

    if thread == 0u {
        let at = 2u * (n * GROUPS + group);
        statistics[at] = mean;
        statistics[at + 1u] = 1.0 / sqrt(variance + EPSILON);
    }
    //: endif
}
//: endif
//: if not STATISTICS
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>; // (C/4)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (C/4)
@group(0) @binding(8) var<storage, read> statistics: array<f32>; // (N, 2 * GROUPS)

//: include "include/group_statistics.wgsl"
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
    let v = vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]);
    // Weight and bias of padding channels are zero.
    let normal = (v - means_of_block(n, block)) * rates_of_block(n, block);
    let r = normal * w[block] + bias[block];
    finish(r, n, block, position);
}
//: endif
