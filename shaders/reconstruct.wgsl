// reconstruct: the end of the reverse process, the residual on top of the
// bicubic enlargement.
//
//   sr = clamp(x, -1, 1) / RES_RESCALE + up
//
// Layout: x, up, sr are (N, C/4, H, W) of vec4.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: x_scalar, up_scalar, sr_scalar.

//: include "include/finite.wgsl"

override RES_RESCALE: f32 = 2.0;

struct Dims {
    height: u32,
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    up_offset: u32,
    up_batch: u32,
    sr_offset: u32,
    sr_batch: u32,
}

alias x_t = vec4<${x_scalar}>;
alias up_t = vec4<${up_scalar}>;
//: set STORED = sr_scalar
//: include "include/stored.wgsl"
alias sr_t = vec4<${sr_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> up: array<up_t>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read_write> sr: array<sr_t>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn reconstruct(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    let residual = vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]);
    let base = vec4<f32>(up[dims.up_offset + n * dims.up_batch + position]);
    // NaN stays, for the host to see: clamped, it would pass for a number.
    let clipped = select(
        clamp(residual, vec4<f32>(-1.0), vec4<f32>(1.0)), residual, not_finite(residual));
    let v = clipped / RES_RESCALE + base;
    sr[dims.sr_offset + n * dims.sr_batch + position] = stored(v);
}
