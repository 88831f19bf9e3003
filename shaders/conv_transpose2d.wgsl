// conv_transpose2d: transposed convolution that enlarges by s,
// torch.nn.ConvTranspose2d with kernel 2s, stride s, padding p = s / 2.
//
//   y[n, o, i, j] = bias[o] + sum over c and the 2 x 2 pixels (a, b) with
//       0 <= i + p - s*a < 2s, 0 <= j + p - s*b < 2s of
//       x[n, c, a, b] * w[c, o, i + p - s*a, j + p - s*b]
//
// Output pixels of one phase (i mod s, j mod s) all use the same 2 x 2 taps of
// the kernel, so an invocation makes pixels of one phase only. Along an axis,
// phase q uses the kernel's indices f and f + s, f = (q + p) mod s: tap 0 (f)
// with the pixel below or to the right, tap 1 (f + s) with the one before it.
//
// Layout: x and y are (N, C/4, H, W) of vec4. The weights are (s row offsets
// f, s column offsets f, O / (4*BLOCKS), C/4, 2 row taps, 2 column taps, 4
// input channels, BLOCKS) of vec4 over output channels.
//
// Dispatch: a register tile of PIXELS pixels of one phase in x (s apart) by
// 4 * BLOCKS output channels; workgroups of 8 x 8 invocations;
// grid (ceil(w / (8*PIXELS)), ceil(h / 8), N * s * s * ceil(O / (4*BLOCKS))),
// w and h of x, or some of its rows; z by the workgroup, as in conv2d.wgsl.
//
// Parameters: PIXELS, BLOCKS, x_scalar, w_scalar, y_scalar.

override STRIDE: u32 = 2u; // s
override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    x_offset: u32,
    x_batch: u32,
    y_offset: u32,
    y_batch: u32,
    first_row: u32, // of x, of the dispatch: large ones are split
}

alias x_t = vec4<${x_scalar}>;
alias w_t = vec4<${w_scalar}>;
//: set STORED = y_scalar
//: include "include/stored.wgsl"
alias y_t = vec4<${y_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, h, w)
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (s, s, O/(4*BLOCKS), C/4, 2, 2, 4, BLOCKS)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4, rounded up to BLOCKS)
@group(0) @binding(4) var<storage, read_write> y: array<y_t>; // (N, O/4, s*h, s*w)

//: include "include/conv_tile.wgsl"

// The pixel in column b of the row that starts at `row`; zero beyond the border.
fn pixel(row: u32, b: i32, inside: bool) -> vec4<f32> {
    let width = i32(dims.in_width);
    let v = vec4<f32>(x[row + u32(clamp(b, 0, width - 1))]);
    return select(vec4<f32>(0.0), v, inside && b >= 0 && b < width);
}

@compute @workgroup_size(8, 8, 1)
fn conv_transpose2d(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) workgroup: vec3<u32>,
) {
    let left = id.x * ${PIXELS}u;
    let i = id.y + dims.first_row;
    if left >= dims.in_width || i >= dims.in_height {
        return;
    }
    let tiles = (OUT_BLOCKS + ${BLOCKS - 1}u) / ${BLOCKS}u;
    let tile = workgroup.z % tiles;
    let phase = (workgroup.z / tiles) % (STRIDE * STRIDE);
    let n = workgroup.z / (tiles * STRIDE * STRIDE);
    let phase_i = phase / STRIDE;
    let phase_j = phase % STRIDE;
    let plane = dims.in_height * dims.in_width;

    // sum_b_r: output block b of the tile at pixel r.
    //: for b in range(BLOCKS)
    let bias_${b} = bias[${BLOCKS}u * tile + ${b}u];
    //: for r in range(PIXELS)
    var sum_${b}_${r} = bias_${b};
    //: endfor
    //: endfor

    // The lower right of the 2 x 2 pixels is (i + p) / s, with i = s * q + phase.
    let from_i = phase_i + STRIDE / 2u;
    let from_j = phase_j + STRIDE / 2u;
    let top = i32(i + from_i / STRIDE) - 1;
    let j = i32(left + from_j / STRIDE) - 1;
    let offsets = from_i % STRIDE * STRIDE + from_j % STRIDE;
    var k = (offsets * tiles + tile) * IN_BLOCKS * ${16 * BLOCKS}u;
    var block = dims.x_offset + n * dims.x_batch;
    for (var c = 0u; c < IN_BLOCKS; c++) {
        for (var u = 0; u < 2; u++) {
            let height = i32(dims.in_height);
            let inside = top + u >= 0 && top + u < height;
            let row = block + u32(clamp(top + u, 0, height - 1)) * dims.in_width;
            let t = k + ${8 * BLOCKS}u * u32(1 - u);
            //: for r in range(PIXELS + 1)
            let x_${r} = pixel(row, j + ${r}, inside);
            //: endfor
            //: for v in range(2)
            {
                // w_b_l: output block b, lane l of the input channels.
                //: for b in range(BLOCKS)
                //: for l in range(4)
                let w_${b}_${l} = weight(t + ${((1 - v) * 4 + l) * BLOCKS + b}u);
                //: endfor
                //: endfor
                //: for b in range(BLOCKS)
                //: for r in range(PIXELS)
                sum_${b}_${r} = mac(sum_${b}_${r}, x_${r + v}, w_${b}_0, w_${b}_1, w_${b}_2, w_${b}_3);
                //: endfor
                //: endfor
            }
            //: endfor
        }
        k += ${16 * BLOCKS}u;
        block += plane;
    }

    let out_width = dims.in_width * STRIDE;
    let out_plane = plane * STRIDE * STRIDE;
    let pixel_index = (i * STRIDE + phase_i) * out_width + left * STRIDE + phase_j;
    let count = dims.in_width - left;
    //: for b in range(BLOCKS)
    let block_${b} = ${BLOCKS}u * tile + ${b}u;
    if block_${b} < OUT_BLOCKS {
        let at = dims.y_offset + n * dims.y_batch + block_${b} * out_plane + pixel_index;
        //: for r in range(PIXELS)
        if count > ${r}u { y[at + ${r}u * STRIDE] = stored(sum_${b}_${r}); }
        //: endfor
    }
    //: endfor
}
