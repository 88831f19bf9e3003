// upsample_nearest_gradient: each pixel of dx is the sum of the FACTOR x FACTOR
// pixels of dy that upsample_nearest.wgsl made of one.
//
// Layout: dy is (N, C/4, FACTOR*H, FACTOR*W) of vec4, dx (N, C/4, H, W).
// Dispatch: workgroups of 16 x 4 pixels of dx, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: dy_scalar, dx_scalar.

override FACTOR: u32 = 2u;

struct Dims {
    height: u32, // of dx
    width: u32,
    blocks: u32, // C / 4
    dy_offset: u32,
    dy_batch: u32,
    dx_offset: u32,
    dx_batch: u32,
}

alias dy_t = vec4<${dy_scalar}>;
//: set STORED = dx_scalar
//: include "include/stored.wgsl"
alias dx_t = vec4<${dx_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> dy: array<dy_t>; // (N, C/4, FACTOR*H, FACTOR*W)
@group(0) @binding(2) var<storage, read_write> dx: array<dx_t>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn upsample_nearest_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    let pitch = FACTOR * dims.width;
    let first = dims.dy_offset + n * dims.dy_batch
        + (block * dims.height + id.y) * FACTOR * pitch + id.x * FACTOR;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < FACTOR; i++) {
        for (var j = 0u; j < FACTOR; j++) {
            sum += vec4<f32>(dy[first + i * pitch + j]);
        }
    }
    dx[dims.dx_offset + n * dims.dx_batch + position] = stored(sum);
}
