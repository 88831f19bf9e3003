// peak: what a GPU reaches on kernels that do nothing else; the benchmarks'
// yardstick.
//
//   multiply_add:      eight independent chains of a = a * b + c on vec4
//   multiply_matrices: eight independent chains of C = A * B + C on matrix units, by
//                      each subgroup
//   stream:            y = x
//
// Layout: x and y are COUNT of vec4, read and written in order.
// Dispatch: workgroups of 256, grid (columns, rows, 1), each invocation a vec4.
//
// Parameters: x_scalar; SIDE of the matrices of f16, which are added up in f32, and
// without which (0) there are the two other kernels; SUBGROUP, its invocations.

//: if SIDE
enable wgpu_cooperative_matrix;
//: endif

struct Dims {
    columns: u32, // vec4 of a row of workgroups
    rounds: u32, // of 32 multiply-adds on vec4, or on matrices
}

alias x_t = vec4<${x_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (COUNT)
@group(0) @binding(2) var<storage, read_write> y: array<x_t>; // (COUNT)

//: if SIDE
alias Left = coop_mat${SIDE}x${SIDE}<f16, A>;
alias Right = coop_mat${SIDE}x${SIDE}<f16, B>;
alias Sum = coop_mat${SIDE}x${SIDE}<f32, C>;

var<workgroup> factor: array<f16, ${SIDE * SIDE}>; // (SIDE, SIDE)
var<workgroup> sums: array<f32, ${8 * SIDE * SIDE}>; // (8, SIDE, SIDE)

@compute @workgroup_size(256, 1, 1)
fn multiply_matrices(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = id.y * dims.columns + id.x;
    if local < ${SIDE * SIDE}u {
        factor[local] = f16(x[at].x);
    }
    workgroupBarrier();
    let a = coopLoadT<Left>(&factor[0], ${SIDE}u);
    let b = coopLoadT<Right>(&factor[0], ${SIDE}u);
    //: for chain in range(8)
    var c${chain} = Sum();
    //: endfor
    for (var round = 0u; round < dims.rounds; round++) {
        //: for i in range(4)
        //: for chain in range(8)
        c${chain} = coopMultiplyAdd(a, b, c${chain});
        //: endfor
        //: endfor
    }
    // The sums of all subgroups are the same.
    let place = local / ${SUBGROUP}u % 8u * ${SIDE * SIDE}u;
    coopStoreT(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7, &sums[place], ${SIDE}u);
    workgroupBarrier();
    y[at] = x_t(${x_scalar}(sums[local]));
}
//: else
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
//: endif
