// linear: fully connected layer, torch.nn.Linear.
//
//   y[r, o] = bias[o] + sum over c of w[o, c] * x[r, c]
//
// Layout: x and y are (rows, C/4) of vec4; the weights are (O/4, C/4, 4 input
// channels) of vec4 over output channels.
// Dispatch: an invocation makes 4 outputs of a row; workgroups of 8 x 8,
// grid (ceil(O/4 / 8), ceil(rows / 8), 1).
// Parameters: x_scalar, w_scalar, y_scalar.

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    rows: u32,
    x_offset: u32,
    x_batch: u32, // of a row
    y_offset: u32,
    y_batch: u32, // of a row
}

alias x_t = vec4<${x_scalar}>;
alias w_t = vec4<${w_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (rows, C/4)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (O/4, C/4, 4)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
@group(0) @binding(4) var<storage, read_write> y: array<y_t>; // (rows, O/4)

@compute @workgroup_size(8, 8, 1)
fn linear(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let row = id.y;
    if block >= OUT_BLOCKS || row >= dims.rows {
        return;
    }
    var sum = bias[block];
    let start = dims.x_offset + row * dims.x_batch;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        let v = vec4<f32>(x[start + c]);
        let k = (block * IN_BLOCKS + c) * 4u;
        sum += vec4<f32>(w[k]) * v.x + vec4<f32>(w[k + 1u]) * v.y
            + vec4<f32>(w[k + 2u]) * v.z + vec4<f32>(w[k + 3u]) * v.w;
    }
    y[dims.y_offset + row * dims.y_batch + block] = stored(sum);
}
