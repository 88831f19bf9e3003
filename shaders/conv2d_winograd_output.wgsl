// conv2d_winograd_output: the last pass of Winograd's convolution.
//
//   y[n, o, i, j] = epilogue(bias[o] + (A^T m A)[i, j]), m the POINTS x POINTS
//   products of channel o of the tile that (n, i, j) lies in
//
// Layout: the products are (POINTS*POINTS, O/4 rounded up to OUT_PITCH, tiles)
// of vec4, y is (N, O/4, H, W) of vec4.
//
// Dispatch: an invocation makes 4 channels of a tile; workgroups of 64 tiles,
// grid (ceil(tiles / 64), O/4, 1).
//
// Parameters: OUTPUTS, BIAS, those of the epilogue.

override OUT_PITCH: u32 = 1u;

struct Dims {
    out_height: u32,
    out_width: u32,
    //: include "include/winograd_tiles.wgsl"
    //: include "include/epilogue_dims.wgsl"
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> products: array<vec4<f32>>; // (POINTS*POINTS, OUT_PITCH, pitch)
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
//: endif

//: include "include/epilogue.wgsl"
//: include "include/winograd.wgsl"

//: set POINTS = OUTPUTS + 2
@compute @workgroup_size(64, 1, 1)
fn conv2d_winograd_output(@builtin(global_invocation_id) id: vec3<u32>) {
    let t = id.x;
    let block = id.y;
    if t >= dims.tiles {
        return;
    }
    let first = block * dims.pitch + t;
    let point_pitch = OUT_PITCH * dims.pitch;
    //: for v in range(POINTS)
    let column_${v} = to_results(
        //: for u in range(POINTS)
        products[first + ${u * POINTS + v}u * point_pitch],
        //: endfor
    );
    //: endfor
    //: if BIAS
    let added = bias[block];
    //: else
    let added = vec4<f32>(0.0);
    //: endif
    let row = dims.first_row + t / dims.tile_columns;
    let n = row / dims.tile_rows;
    let i = row % dims.tile_rows * ${OUTPUTS}u;
    let j = t % dims.tile_columns * ${OUTPUTS}u;
    let position = (block * dims.out_height + i) * dims.out_width + j;
    //: for u in range(OUTPUTS)
    if i + ${u}u < dims.out_height {
        let row = to_results(
            //: for v in range(POINTS)
            column_${v}.r${u},
            //: endfor
        );
        //: for v in range(OUTPUTS)
        if j + ${v}u < dims.out_width { finish(row.r${v} + added, n, block, position + ${u}u * dims.out_width + ${v}u); }
        //: endfor
    }
    //: endfor
}
