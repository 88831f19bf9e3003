// accumulate: total += x, tensors in PyTorch's order.
//
// Dispatch: an invocation for each element, workgroups of 256,
// grid (columns / 256, rows, 1), columns * rows at least the number of elements.

struct Dims {
    count: u32, // elements
    columns: u32, // of the grid
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<f32>; // (count)
@group(0) @binding(2) var<storage, read_write> total: array<f32>; // (count)

@compute @workgroup_size(256, 1, 1)
fn accumulate(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * dims.columns + id.x;
    if i < dims.count {
        total[i] += x[i];
    }
}
