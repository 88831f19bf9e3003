// conv_transpose2d_gradient: the gradient of conv_transpose2d.wgsl with respect
// to its operand, a convolution with stride s and a kernel of 2s x 2s.
//
//   dx[n, c, a, b] = sum over o, i, j of
//       dy[n, o, s*a + i - s/2, s*b + j - s/2] * w[c, o, i, j]
//
// Layout: dy is (N, O/4, s*H, s*W) of vec4, dx (N, C/4, H, W). The weights are
// (C / (4*BLOCKS), O/4, 2s * 2s, 4 channels of dy, BLOCKS) of vec4 over
// channels of dx.
//
// Dispatch: an invocation makes a register tile of ROWS pixels in y by
// 4 * BLOCKS channels; workgroups of 8 x 8 invocations;
// grid (ceil(W / 8), ceil(H / (8*ROWS)), N * ceil(C / (4*BLOCKS))), or some of
// its rows.
//
// Parameters: ROWS, BLOCKS, dy_scalar, w_scalar, dx_scalar.

override STRIDE: u32 = 2u; // s
override DY_BLOCKS: u32 = 1u; // O / 4
override DX_BLOCKS: u32 = 1u; // C / 4

struct Dims {
    height: u32, // of dx
    width: u32,
    dy_offset: u32,
    dy_batch: u32,
    dx_offset: u32,
    dx_batch: u32,
    first_row: u32, // of the dispatch: large ones are split
}

alias dy_t = vec4<${dy_scalar}>;
alias w_t = vec4<${w_scalar}>;
//: set STORED = dx_scalar
//: include "include/stored.wgsl"
alias dx_t = vec4<${dx_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> dy: array<dy_t>; // (N, O/4, s*H, s*W)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (C/(4*BLOCKS), O/4, 2s*2s, 4, BLOCKS)
@group(0) @binding(3) var<storage, read_write> dx: array<dx_t>; // (N, C/4, H, W)

//: include "include/conv_tile.wgsl"

// The pixel at (i, j) of a plane of dy, zero beyond the border.
fn pixel(plane: u32, i: i32, j: i32) -> vec4<f32> {
    let height = i32(STRIDE * dims.height);
    let width = i32(STRIDE * dims.width);
    let at = u32(clamp(i, 0, height - 1)) * u32(width) + u32(clamp(j, 0, width - 1));
    let inside = i >= 0 && i < height && j >= 0 && j < width;
    return select(vec4<f32>(0.0), vec4<f32>(dy[plane + at]), inside);
}

@compute @workgroup_size(8, 8, 1)
fn conv_transpose2d_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let column = id.x;
    let top = id.y * ${ROWS}u + dims.first_row;
    if column >= dims.width || top >= dims.height {
        return;
    }
    let tiles = (DX_BLOCKS + ${BLOCKS - 1}u) / ${BLOCKS}u;
    let tile = workgroup.z % tiles;
    let n = workgroup.z / tiles;
    let in_plane = STRIDE * dims.height * STRIDE * dims.width;
    let pad = i32(STRIDE / 2u);

    // sum_b_r: channel block b of the tile at pixel r.
    //: for b in range(BLOCKS)
    //: for r in range(ROWS)
    var sum_${b}_${r} = vec4<f32>(0.0);
    //: endfor
    //: endfor
    let side = 2u * STRIDE;
    var k = tile * DY_BLOCKS * side * side * ${4 * BLOCKS}u;
    for (var o = 0u; o < DY_BLOCKS; o++) {
        let plane = dims.dy_offset + n * dims.dy_batch + o * in_plane;
        for (var u = 0u; u < side; u++) {
            let i = i32(STRIDE * top + u) - pad;
            for (var v = 0u; v < side; v++) {
                let j = i32(STRIDE * column + v) - pad;
                //: for r in range(ROWS)
                let x_${r} = pixel(plane, i + ${r} * i32(STRIDE), j);
                //: endfor
                // w_b_l: block b, lane l of dy's channels.
                //: for b in range(BLOCKS)
                //: for l in range(4)
                let w_${b}_${l} = weight(k + ${l * BLOCKS + b}u);
                //: endfor
                //: endfor
                //: for b in range(BLOCKS)
                //: for r in range(ROWS)
                sum_${b}_${r} = mac(sum_${b}_${r}, x_${r}, w_${b}_0, w_${b}_1, w_${b}_2, w_${b}_3);
                //: endfor
                //: endfor
                k += ${4 * BLOCKS}u;
            }
        }
    }

    //: for b in range(BLOCKS)
    let block_${b} = ${BLOCKS}u * tile + ${b}u;
    if block_${b} < DX_BLOCKS {
        let position = (block_${b} * dims.height + top) * dims.width + column;
        let to = dims.dx_offset + n * dims.dx_batch + position;
        //: for r in range(ROWS)
        if top + ${r}u < dims.height { dx[to + ${r}u * dims.width] = stored(sum_${b}_${r}); }
        //: endfor
    }
    //: endfor
}
