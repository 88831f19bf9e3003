// upsample_bicubic: bicubic enlargement, MATLAB's imresize convention (Keys
// kernel a = -0.5, half-pixel centres, symmetric border).
//
//   y[i, j] = sum over a, b in 0..4 of t[i mod f][a] * t[j mod f][b]
//             * x[i / f + first(i mod f) + a, j / f + first(j mod f) + b]
//
// The four taps of each phase are worked out on the host in f64.
//
// Layout: x is (N, C/4, h, w) of vec4, y (N, C/4, f*h, f*w).
// Dispatch: workgroups of 16 x 4 pixels of y, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: x_scalar, y_scalar.

override FACTOR: u32 = 2u; // f, at most 16

struct Dims {
    height: u32, // of x
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
    taps: array<vec4<f32>, 16>, // of each phase
}

alias x_t = vec4<${x_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, h, w)
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (N, C/4, f*h, f*w)

// The edge pixel repeated, then the image backwards: -1 -> 0, -2 -> 1, with
// period 2n.
fn symmetric(i: i32, n: i32) -> i32 {
    let j = ((i % (2 * n)) + 2 * n) % (2 * n);
    return select(j, 2 * n - 1 - j, j >= n);
}

// The first of the four pixels that output coordinate i weighs.
fn first(i: u32) -> i32 {
    return i32(i / FACTOR) + select(-1, -2, 2u * (i % FACTOR) + 1u < FACTOR);
}

@compute @workgroup_size(16, 4, 1)
fn upsample_bicubic(@builtin(global_invocation_id) id: vec3<u32>) {
    let height = dims.height * FACTOR;
    let width = dims.width * FACTOR;
    if id.x >= width || id.y >= height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let base = dims.x_offset + n * dims.x_batch + block * dims.height * dims.width;
    let rows = dims.taps[id.y % FACTOR];
    let columns = dims.taps[id.x % FACTOR];
    let top = first(id.y);
    let left = first(id.x);
    let w = i32(dims.width);
    let c0 = u32(symmetric(left, w));
    let c1 = u32(symmetric(left + 1, w));
    let c2 = u32(symmetric(left + 2, w));
    let c3 = u32(symmetric(left + 3, w));
    var sum = vec4<f32>(0.0);
    for (var a = 0; a < 4; a++) {
        let row = base + u32(symmetric(top + a, i32(dims.height))) * dims.width;
        let v = columns.x * vec4<f32>(x[row + c0]) + columns.y * vec4<f32>(x[row + c1])
            + columns.z * vec4<f32>(x[row + c2]) + columns.w * vec4<f32>(x[row + c3]);
        sum += rows[a] * v;
    }
    let position = (block * height + id.y) * width + id.x;
    y[dims.y_offset + n * dims.y_batch + position] = stored(sum);
}
