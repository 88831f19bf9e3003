// estimate_x0: the clean image that a noise prediction implies.
//
//   x0 = clamp(x0_from_x * x - x0_from_eps * eps, -clip, clip)
//
// with the coefficients of the running step. Where x or eps is NaN or infinite
// x0 is not clamped: clamped, it would pass for a number.
//
// Layout: x, eps and x0 are (N, C/4, H, W) of vec4, x and x0 in f32.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: eps_scalar.

//: include "include/step_record.wgsl"
//: include "include/finite.wgsl"

struct Dims {
    height: u32,
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    eps_offset: u32,
    eps_batch: u32,
    x0_offset: u32,
    x0_batch: u32,
}

alias eps_t = vec4<${eps_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> eps: array<eps_t>; // (N, C/4, H, W)
@group(0) @binding(3) var<storage, read_write> x0: array<vec4<f32>>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn estimate_x0(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    let old = x[dims.x_offset + n * dims.x_batch + position];
    let noise = vec4<f32>(eps[dims.eps_offset + n * dims.eps_batch + position]);
    let estimate = record.x0_from_x * old - record.x0_from_eps * noise;
    let bound = vec4<f32>(record.clip);
    x0[dims.x0_offset + n * dims.x0_batch + position] = select(
        clamp(estimate, -bound, bound), estimate, not_finite(noise) | not_finite(old));
}
