// conv2d: two-dimensional convolution, torch.nn.Conv2d.
//
//   y[n, o, i, j] = epilogue(bias[o]
//       + sum over c, u, v of w[o, c, u, v] * x[n, c, s*i + u - p, s*j + v - p])
//
// kernel k x k, stride s, padding p by zeros or by reflection. Weights of the
// gradient of a convolution are turned and exchanged when they are packed.
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are (O / (4*BLOCKS), C/4, k*k, 4 input channels, BLOCKS) of vec4 over
// output channels, so that a tile reads them in one run and neighbouring
// invocations read the same ones.
//
// Dispatch: an invocation makes a register tile of ROWS pixels in y by
// 4 * BLOCKS output channels, so that its neighbours in x load the pixels
// beside its own; workgroups of 8 x 8 invocations;
// grid (ceil(W / 8), ceil(H / (8*ROWS)), N * ceil(O / (4*BLOCKS))), W and H of
// y, or some of its rows. z comes from the workgroup's index, for compilers to
// see that an invocation's neighbours read the same weights.
//
// Parameters: KERNEL (k: 1 or 3), STRIDE (s: 1 or 2), REFLECT (0: padding by
// zeros), PAD (p; where k is 1, it is 0 and not given), BIAS (0: none), ROWS, BLOCKS, x_scalar, w_scalar, those of the
// epilogue, and IN_PLACE. A dense block's convolution extends the array that
// it reads. IN_PLACE is 1 there: x and y are one buffer, bound once, as y.

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    x_offset: u32,
    x_batch: u32,
    first_row: u32, // of the dispatch: large ones are split
    //: include "include/epilogue_dims.wgsl"
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: include "include/conv_x.wgsl"
alias w_t = vec4<${w_scalar}>;
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (O/(4*BLOCKS), C/4, k*k, 4, BLOCKS)
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4, rounded up to BLOCKS)
//: endif

//: include "include/epilogue.wgsl"
//: include "include/conv_tile.wgsl"

//: include "include/border.wgsl"

// The pixel in row i of the column that starts at `column` in the plane's
// first row; zero beyond the border unless it reflects. `inside` says whether
// the column itself is inside.
//: if REFLECT and KERNEL == 3
fn pixel(column: u32, i: i32, inside: bool) -> vec4<f32> {
    return load(column + u32(border(i, i32(dims.in_height))) * dims.in_width);
}

//: endif
//: if not REFLECT and KERNEL == 3
fn pixel(column: u32, i: i32, inside: bool) -> vec4<f32> {
    let height = i32(dims.in_height);
    let v = load(column + u32(border(i, height)) * dims.in_width);
    return select(vec4<f32>(0.0), v, inside && is_inside(i, height));
}

//: endif
@compute @workgroup_size(8, 8, 1)
fn conv2d(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let j = id.x;
    let top = id.y * ${ROWS}u + dims.first_row;
    if j >= dims.out_width || top >= dims.out_height {
        return;
    }
    let tiles = (OUT_BLOCKS + ${BLOCKS - 1}u) / ${BLOCKS}u;
    let tile = workgroup.z % tiles;
    let n = workgroup.z / tiles;
    let in_plane = dims.in_height * dims.in_width;

    // sum_b_r: output block b of the tile at pixel r.
    //: for b in range(BLOCKS)
    //: if BIAS
    let bias_${b} = bias[${BLOCKS}u * tile + ${b}u];
    //: else
    let bias_${b} = vec4<f32>(0.0);
    //: endif
    //: for r in range(ROWS)
    var sum_${b}_${r} = bias_${b};
    //: endfor
    //: endfor

    var k = tile * IN_BLOCKS * ${KERNEL * KERNEL * 4 * BLOCKS}u;
    var plane = dims.x_offset + n * dims.x_batch;
    //: if KERNEL == 3
    let width = i32(dims.in_width);
    let first = i32(${STRIDE}u * top) - ${PAD};
    let left = i32(${STRIDE}u * j) - ${PAD};
    //: else
    let last = dims.in_height - 1u;
    //: endif
    for (var c = 0u; c < IN_BLOCKS; c++) {
        // x_i: the pixel i rows below the first that the tile reads.
        //: if KERNEL == 3
        for (var v = 0; v < 3; v++) {
            let inside = left + v >= 0 && left + v < width;
            let column = plane + u32(border(left + v, width));
            let t = k + ${4 * BLOCKS}u * u32(v);
            //: for i in range((ROWS - 1) * STRIDE + 3)
            let x_${i} = pixel(column, first + ${i}, inside);
            //: endfor
        //: else
        {
            let column = plane + ${STRIDE}u * j;
            let t = k;
            //: for r in range(ROWS)
            let x_${r * STRIDE} = load(column + min(${STRIDE}u * (top + ${r}u), last) * dims.in_width);
            //: endfor
        //: endif
            //: for u in range(KERNEL)
            {
                // w_b_l: output block b, lane l of the input channels.
                //: for b in range(BLOCKS)
                //: for l in range(4)
                let w_${b}_${l} = weight(t + ${(u * KERNEL * 4 + l) * BLOCKS + b}u);
                //: endfor
                //: endfor
                //: for b in range(BLOCKS)
                //: for r in range(ROWS)
                sum_${b}_${r} = mac(sum_${b}_${r}, x_${r * STRIDE + u}, w_${b}_0, w_${b}_1, w_${b}_2, w_${b}_3);
                //: endfor
                //: endfor
            }
            //: endfor
        }
        k += ${KERNEL * KERNEL * 4 * BLOCKS}u;
        plane += in_plane;
    }

    let out_plane = dims.out_height * dims.out_width;
    let pixels = top * dims.out_width + j;
    let count = dims.out_height - top;
    //: for b in range(BLOCKS)
    let block_${b} = ${BLOCKS}u * tile + ${b}u;
    if block_${b} < OUT_BLOCKS {
        let position = block_${b} * out_plane + pixels;
        //: for r in range(ROWS)
        if count > ${r}u { finish(sum_${b}_${r}, n, block_${b}, position + ${r}u * dims.out_width); }
        //: endfor
    }
    //: endfor
}
