// pointwise: y = epilogue(x): a copy, an activation, a sum of arrays.
//
// Layout: x and y are (N, C/4, H, W) of vec4.
// Dispatch: workgroups of 16 x 4 pixels, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: x_scalar and those of the epilogue.

struct Dims {
    height: u32,
    width: u32,
    blocks: u32, // C / 4
    x_offset: u32,
    x_batch: u32,
    //: include "include/epilogue_dims.wgsl"
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)

//: include "include/epilogue.wgsl"

@compute @workgroup_size(16, 4, 1)
fn pointwise(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let position = (block * dims.height + id.y) * dims.width + id.x;
    finish(vec4<f32>(x[dims.x_offset + n * dims.x_batch + position]), n, block, position);
}
