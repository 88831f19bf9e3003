// squared_norms: the sum of the squares of all elements of each of several
// tensors: NaN or infinite if one of them is.
//
// Two kernels: `part_of_tensor` where PARTS is 1, once for each tensor, then
// `add_parts` where it is 0.
//
// Layout: x is a tensor in PyTorch's order. partial_sums is (tensors, 256): the sum of
// each part, and zeros. y is (1, 1, 1, tensors) of vec4, the sum in the first channel.
//
// Dispatch: part_of_tensor: a workgroup of 256 for each part, 256 at most,
// grid (parts, 1, 1).
// add_parts: a workgroup of 256 for each tensor, grid (tensors, 1, 1).
// Parameters: PARTS, y_scalar where it is 0.

const THREADS: u32 = 256u;

struct Dims {
    //: if PARTS
    count: u32, // elements
    tensor: u32, // its index
    parts: u32,
    //: else
    y_offset: u32,
    y_batch: u32,
    //: endif
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct

//: set SUM_TYPE = "f32"
//: include "include/workgroup_sum.wgsl"

//: if PARTS
@group(0) @binding(1) var<storage, read> x: array<f32>; // (count)
@group(0) @binding(2) var<storage, read_write> partial_sums: array<f32>; // (tensors, 256)

@compute @workgroup_size(256, 1, 1)
fn part_of_tensor(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    var sum = 0.0;
    for (var i = id.x * THREADS + thread; i < dims.count; i += dims.parts * THREADS) {
        sum += x[i] * x[i];
    }
    let total = workgroup_sum(thread, sum);
    if thread == 0u {
        partial_sums[dims.tensor * 256u + id.x] = total;
    }
    if id.x == 0u && thread >= dims.parts {
        partial_sums[dims.tensor * 256u + thread] = 0.0;
    }
}
//: else
alias y_t = vec4<${y_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
@group(0) @binding(1) var<storage, read> partial_sums: array<f32>; // (tensors, 256)
@group(0) @binding(2) var<storage, read_write> y: array<y_t>; // (1, 1, 1, tensors)

@compute @workgroup_size(256, 1, 1)
fn add_parts(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let total = workgroup_sum(thread, partial_sums[id.x * 256u + thread]);
    if thread == 0u {
        let r = vec4<f32>(total, 0.0, 0.0, 0.0);
        y[dims.y_offset + id.x] = stored(r);
    }
}
//: endif
