// fold_border: the gradient of padding by one pixel. Every pixel of the border
// of x is added to the pixel that it was a copy of; with zeros beyond the
// border, the border is cut off.
//
// Layout: x is (N, C/4, H + 2, W + 2) of vec4, y (N, C/4, H, W).
// Dispatch: workgroups of 16 x 4 pixels of y, grid (ceil(W/16), ceil(H/4), N*C/4).
// Parameters: REFLECT (0: zeros beyond the border), x_scalar, y_scalar.

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
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H + 2, W + 2)
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (N, C/4, H, W)

//: if REFLECT
// The sum of the pixel of a row of x that stands in column j of y, and of its
// copies beyond the row's ends.
fn folded(row: u32, j: u32) -> vec4<f32> {
    var sum = vec4<f32>(x[row + j + 1u]);
    if j == 1u {
        sum += vec4<f32>(x[row]);
    }
    if j + 2u == dims.width {
        sum += vec4<f32>(x[row + dims.width + 1u]);
    }
    return sum;
}

//: endif
@compute @workgroup_size(16, 4, 1)
fn fold_border(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= dims.width || id.y >= dims.height {
        return;
    }
    let block = id.z % dims.blocks;
    let n = id.z / dims.blocks;
    let pitch = dims.width + 2u;
    let plane = dims.x_offset + n * dims.x_batch + block * (dims.height + 2u) * pitch;
    let row = plane + (id.y + 1u) * pitch;
    //: if REFLECT
    var sum = folded(row, id.x);
    if id.y == 1u {
        sum += folded(plane, id.x);
    }
    if id.y + 2u == dims.height {
        sum += folded(plane + (dims.height + 1u) * pitch, id.x);
    }
    //: else
    let sum = vec4<f32>(x[row + id.x + 1u]);
    //: endif
    let position = (block * dims.height + id.y) * dims.width + id.x;
    y[dims.y_offset + n * dims.y_batch + position] = stored(sum);
}
