// dilate: y[n, c, STRIDE*i, STRIDE*j] = x[n, c, i, j], zero elsewhere.
//
// Layout: x is (N, C/4, ceil(H/STRIDE), ceil(W/STRIDE)) of vec4, y (N, C/4, H, W).
// Dispatch: workgroups of 16 x 4 pixels of y, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: x_scalar, y_scalar.

override STRIDE: u32 = 2u;

struct Dims {
    height: u32, // of y
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
}

alias x_t = vec4<${x_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, ceil(H/STRIDE), ceil(W/STRIDE))
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn dilate(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    var v = vec4<f32>(0.0);
    if id.x % STRIDE == 0u && id.y % STRIDE == 0u {
        let row = block * ((dims.height + STRIDE - 1u) / STRIDE) + id.y / STRIDE;
        let at = row * ((dims.width + STRIDE - 1u) / STRIDE) + id.x / STRIDE;
        v = vec4<f32>(x[dims.x_offset + n * dims.x_batch + at]);
    }
    let position = (block * dims.height + id.y) * dims.width + id.x;
    y[dims.y_offset + n * dims.y_batch + position] = stored(v);
}
