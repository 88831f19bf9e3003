// channel_sum: sums over pixels, of all samples or of each.
//
//   y[0, c] = sum over n, i, j of x[n, c, i, j], or y[n, c] for each sample
//
// Two kernels: `part_of_plane` where PARTS is 1, then `add_parts` where it is 0.
//
// Layout: x is (N, C/4, H, W) of vec4. partial_sums is (N, C/4, parts) of vec4, the
// sums of PART pixels each. y is (rows, C) in PyTorch's order if TENSOR, else
// (rows, C/4) of vec4.
//
// Dispatch: part_of_plane: a workgroup of 256 for each part of a plane,
// grid (parts, C/4, N). add_parts: an invocation for 4 channels of a row,
// workgroups of 64, grid (ceil(C/4 / 64), rows, 1).
// Parameters: PARTS, x_scalar where it is 1, TENSOR where it is 0, y_scalar
// where that is 0, too.

struct Dims {
    blocks: u32, // C / 4
    parts: u32, // of a plane
    //: if PARTS
    pixels: u32, // of a plane
    x_offset: u32,
    x_batch: u32,
    //: else
    channels: u32, // C
    samples: u32, // that are added up
    y_offset: u32,
    y_batch: u32,
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: if PARTS
alias x_t = vec4<${x_scalar}>;
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4<f32>>; // (N, C/4, parts)

const THREADS: u32 = 256u;
override PART: u32 = 4096u;

//: set SUM_TYPE = "vec4<f32>"
//: include "include/workgroup_sum.wgsl"

@compute @workgroup_size(256, 1, 1)
fn part_of_plane(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let plane = dims.x_offset + id.z * dims.x_batch + id.y * dims.pixels;
    let end = min((id.x + 1u) * PART, dims.pixels);
    var sum = vec4<f32>(0.0);
    for (var p = id.x * PART + thread; p < end; p += THREADS) {
        sum += vec4<f32>(x[plane + p]);
    }
    let total = workgroup_sum(thread, sum);
    if thread == 0u {
        partial_sums[(id.z * dims.blocks + id.y) * dims.parts + id.x] = total;
    }
}
//: else
@group(0) @binding(1) var<storage, read> partial_sums: array<vec4<f32>>; // (N, C/4, parts)
//: if TENSOR
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (rows, C)
//: else
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (rows, C/4)
//: endif

@compute @workgroup_size(64, 1, 1)
fn add_parts(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let row = id.y;
    if block >= dims.blocks {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var n = row * dims.samples; n < (row + 1u) * dims.samples; n++) {
        for (var part = 0u; part < dims.parts; part++) {
            sum += partial_sums[(n * dims.blocks + block) * dims.parts + part];
        }
    }
    //: if TENSOR
    for (var lane = 0u; lane < 4u; lane++) {
        let c = 4u * block + lane;
        if c < dims.channels {
            y[row * dims.channels + c] = sum[lane];
        }
    }
    //: else
    let c = 4u * block + vec4<u32>(0u, 1u, 2u, 3u);
    sum = select(vec4<f32>(0.0), sum, c < vec4<u32>(dims.channels));
    y[dims.y_offset + row * dims.y_batch + block] = stored(sum);
    //: endif
}
//: endif
