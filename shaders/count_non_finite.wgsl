// count_non_finite: how many numbers of each row of an image are broken.
//
//   y[n, i] = number of c, j for which x[n, c, i, j] is NaN or infinite
//
// Layout: x is (N, C/4, H, W) of vec4, its padding channels not counted; y is
// (N, 1, H, 1) of vec4 in f32, the count in the first channel.
// Dispatch: a workgroup of 64 for each row, grid (1, H, N).
// Parameters: x_scalar.

//: include "include/finite.wgsl"

override CHANNELS: u32 = 4u; // C

const THREADS: u32 = 64u;

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // (N, 1, H, 1)

var<workgroup> counts: array<vec4<u32>, THREADS>;

@compute @workgroup_size(64, 1, 1)
fn count_non_finite(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = id.y;
    let n = id.z;
    var count = vec4<u32>(0u);
    for (var block = 0u; 4u * block < CHANNELS; block++) {
        let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
        let row = dims.x_offset + n * dims.x_batch + (block * dims.height + i) * dims.width;
        for (var j = thread; j < dims.width; j += THREADS) {
            let broken = not_finite(vec4<f32>(x[row + j])) & (c < vec4<u32>(CHANNELS));
            count += select(vec4<u32>(0u), vec4<u32>(1u), broken);
        }
    }
    counts[thread] = count;
    workgroupBarrier();
    for (var reach = THREADS / 2u; reach > 0u; reach /= 2u) {
        if thread < reach {
            counts[thread] += counts[thread + reach];
        }
        workgroupBarrier();
    }
    if thread == 0u {
        let total = counts[0].x + counts[0].y + counts[0].z + counts[0].w;
        y[dims.y_offset + n * dims.y_batch + i] = vec4<f32>(f32(total), 0.0, 0.0, 0.0);
    }
}
