// peak: what a GPU reaches on kernels that do nothing else; the benchmarks'
// yardstick.
//
//   multiply_add: eight independent chains of a = a * b + c on vec4
//   stream:       y = x
//
// Layout: x and y are COUNT of vec4, read and written in order.
// Dispatch: workgroups of 256, grid (columns, rows, 1), each invocation a vec4.

struct Dims {
    columns: u32, // vec4 of a row of workgroups
    rounds: u32, // of 32 multiply-adds on vec4
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // (COUNT)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>; // (COUNT)

@compute @workgroup_size(256, 1, 1)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.y * dims.columns + id.x;
    let b = x[at];
    let c = b * 0.5;
    //: for chain in range(8)
    var a${chain} = b + ${chain}.0;
    //: endfor
    for (var round = 0u; round < dims.rounds; round++) {
        //: for i in range(4)
        //: for chain in range(8)
        a${chain} = a${chain} * b + c;
        //: endfor
        //: endfor
    }
    y[at] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}

@compute @workgroup_size(256, 1, 1)
fn stream(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.y * dims.columns + id.x;
    y[at] = x[at];
}
