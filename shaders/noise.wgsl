// noise: the Gaussian field of the running step, the start of the reverse
// process: x_T ~ N(0, I).
//
// The value at a pixel depends on seed, sample, step, channel and absolute
// position alone (include/normal.wgsl), so tiles and devices see one field.
//
// Layout: x is (N, C/4, H, W) of vec4.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: x_scalar.

//: include "include/step_record.wgsl"
//: include "include/normal.wgsl"

override CHANNELS: u32 = 3u; // C

struct Dims {
    height: u32,
    width: u32,
    x_offset: u32,
    x_batch: u32,
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read_write> x: array<x_t>; // (N, C/4, H, W)

@compute @workgroup_size(16, 4, 1)
fn noise(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let blocks = (CHANNELS + 3u) / 4u;
    let block = id.z % blocks;
    let n = id.z / blocks;
    let place = record.places[n];
    let p = place.origin + id.xy;
    let drawn = normal4(record.seed, p.x, p.y, place.sample, record.noise_step, block);
    let position = (block * dims.height + id.y) * dims.width + id.x;
    x[dims.x_offset + n * dims.x_batch + position] = x_t(existing(drawn, block, CHANNELS));
}
