// conv2d_weight_gradient: the gradient of a convolution's weight, a matrix
// product over pixels whose left factor is gathered from x (implicit GEMM).
//
//   dw[o, c, u, v] = sum over n, i, j of
//       dy[n, o, i, j] * x[n, c, s*i + u - p, s*j + v - p]
//
// Two kernels: `part_of_product` where PARTS is 1, which sums over parts of the
// pixels, then `add_parts` where it is 0, which adds these up in order.
//
// Layout: x is (N, C/4, H, W) of vec4, dy (N, O/4, h, w) of vec4. partial_sums
// is (parts, k*k, C/4, 4 channels of x, O/4) of vec4. dw is (O, C, k, k) in
// PyTorch's order; channels of x may lie in padded groups, as in pack.wgsl.
//
// Dispatch: part_of_product: a workgroup of 64 makes 16 rows (a tap of 4
// channels of x each) by 16 blocks of 4 outputs, of a part of the pixels, 16 of
// which pass through workgroup memory at a time; an invocation keeps 2 x 2 of
// these. Grid (ceil(O/4 / 16), units, 1), units being tiles of rows of each
// part, or some of them. add_parts: an invocation for each vec4 of
// partial_sums, workgroups of 64, grid (columns / 64, rows, 1).
//
// Parameters: PARTS; where it is 1, KERNEL (k), STRIDE (s), x_scalar, dy_scalar
// and, where k is more than 1, PAD (p) and REFLECT (0: zeros beyond the border).

override X_BLOCKS: u32 = 1u; // C / 4
override DY_BLOCKS: u32 = 1u; // O / 4

//: if PARTS
struct Dims {
    in_height: u32, // of x
    in_width: u32,
    out_height: u32, // of dy
    out_width: u32,
    x_offset: u32,
    x_batch: u32,
    dy_offset: u32,
    dy_batch: u32,
    pixels: u32, // N * h * w
    part: u32, // pixels of a part
    row_tiles: u32,
    first_unit: u32, // of the dispatch: large ones are split
}

alias x_t = vec4<${x_scalar}>;
alias dy_t = vec4<${dy_scalar}>;
@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> x: array<x_t>; // (N, C/4, H, W)
@group(0) @binding(2) var<storage, read> dy: array<dy_t>; // (N, O/4, h, w)
@group(0) @binding(3) var<storage, read_write> partial_sums: array<vec4<f32>>; // (parts, k*k, C/4, 4, O/4)

// A row is longer than its contents, which keeps what neighbours write in
// different banks.
var<workgroup> x_tile: array<vec4<f32>, 272>; // (16 pixels, 16 rows + 1)
var<workgroup> dy_tile: array<vec4<f32>, 272>; // (16 pixels, 16 blocks + 1)

//: include "include/border.wgsl"

@compute @workgroup_size(64, 1, 1)
fn part_of_product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let unit = workgroup.y + dims.first_unit;
    let part = unit / dims.row_tiles;
    let first_row = unit % dims.row_tiles * 16u;
    let first_block = workgroup.x * 16u;
    let begin = part * dims.part;
    let end = min(begin + dims.part, dims.pixels);
    let in_plane = dims.in_height * dims.in_width;
    let out_plane = dims.out_height * dims.out_width;
    let rows = ${KERNEL * KERNEL}u * X_BLOCKS;

    // What this invocation stages: of one pixel, rows row_s of x and blocks
    // of dy.
    let pixel = local % 16u;
    let slot = local / 16u;
    //: for s in range(4)
    let row_${s} = min(first_row + slot + ${4 * s}u, rows - 1u);
    let x_from_${s} = dims.x_offset + row_${s} % X_BLOCKS * in_plane;
    //: if KERNEL > 1
    let u_${s} = i32(row_${s} / X_BLOCKS / ${KERNEL}u) - ${PAD};
    let v_${s} = i32(row_${s} / X_BLOCKS % ${KERNEL}u) - ${PAD};
    //: endif
    let dy_from_${s} = dims.dy_offset + min(first_block + slot + ${4 * s}u, DY_BLOCKS - 1u) * out_plane;
    //: endfor

    let row = local % 8u;
    let block = local / 8u;
    // sum_r_l_b: lane l of row r, block b of outputs.
    //: for r in range(2)
    //: for l in range(4)
    //: for b in range(2)
    var sum_${r}_${l}_${b} = vec4<f32>(0.0);
    //: endfor
    //: endfor
    //: endfor
    for (var first = begin; first < end; first += 16u) {
        let m = min(first + pixel, end - 1u);
        let exists = first + pixel < end;
        let n = m / out_plane;
        let p = m % out_plane;
        let i = p / dims.out_width * ${STRIDE}u;
        let j = p % dims.out_width * ${STRIDE}u;
        //: for s in range(4)
        //: if KERNEL > 1
        let i_${s} = i32(i) + u_${s};
        let j_${s} = i32(j) + v_${s};
        let at_${s} = u32(border(i_${s}, i32(dims.in_height))) * dims.in_width + u32(border(j_${s}, i32(dims.in_width)));
        //: else
        let at_${s} = i * dims.in_width + j;
        //: endif
        let seen_${s} = vec4<f32>(x[x_from_${s} + n * dims.x_batch + at_${s}]);
        //: if KERNEL > 1 and not REFLECT
        let inside_${s} = is_inside(i_${s}, i32(dims.in_height)) && is_inside(j_${s}, i32(dims.in_width));
        let x_${s} = select(vec4<f32>(0.0), seen_${s}, exists && inside_${s});
        //: else
        let x_${s} = select(vec4<f32>(0.0), seen_${s}, exists);
        //: endif
        let dy_${s} = select(vec4<f32>(0.0), vec4<f32>(dy[dy_from_${s} + n * dims.dy_batch + p]), exists);
        //: endfor
        workgroupBarrier();
        //: for s in range(4)
        x_tile[pixel * 17u + slot + ${4 * s}u] = x_${s};
        dy_tile[pixel * 17u + slot + ${4 * s}u] = dy_${s};
        //: endfor
        workgroupBarrier();
        for (var k = 0u; k < 272u; k += 17u) {
            //: for r in range(2)
            let a_${r} = x_tile[k + row + ${8 * r}u];
            let g_${r} = dy_tile[k + block + ${8 * r}u];
            //: endfor
            //: for r in range(2)
            //: for l in range(4)
            //: for b in range(2)
            sum_${r}_${l}_${b} = fma(g_${b}, vec4<f32>(a_${r}.${["x", "y", "z", "w"][l]}), sum_${r}_${l}_${b});
            //: endfor
            //: endfor
            //: endfor
        }
    }
    //: for r in range(2)
    //: for b in range(2)
    if first_row + row + ${8 * r}u < rows && first_block + block + ${8 * b}u < DY_BLOCKS {
        let to = (part * rows + first_row + row + ${8 * r}u) * 4u * DY_BLOCKS + first_block + block + ${8 * b}u;
        //: for l in range(4)
        partial_sums[to + ${l}u * DY_BLOCKS] = sum_${r}_${l}_${b};
        //: endfor
    }
    //: endfor
    //: endfor
}
//: else
struct Dims {
    count: u32, // vec4 of a part
    columns: u32, // of the grid
    parts: u32,
    taps: u32, // k * k
    outputs: u32, // O
    channels: u32, // C
    segments_count: u32,
    segments: array<vec4<u32>, 16>, // first stored channel, first channel, channels, 0
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
@group(0) @binding(1) var<storage, read> partial_sums: array<vec4<f32>>; // (parts, k*k, C/4, 4, O/4)
@group(0) @binding(2) var<storage, read_write> dw: array<f32>; // (O, C, k, k)

@compute @workgroup_size(64, 1, 1)
fn add_parts(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.y * dims.columns + id.x;
    if id.x >= dims.columns || at >= dims.count {
        return;
    }
    let stored = at / DY_BLOCKS % (4u * X_BLOCKS);
    let tap = at / DY_BLOCKS / (4u * X_BLOCKS);
    var c = dims.channels; // padding
    for (var s = 0u; s < dims.segments_count; s++) {
        let segment = dims.segments[s];
        if stored >= segment.x && stored - segment.x < segment.z {
            c = segment.y + (stored - segment.x);
        }
    }
    if c >= dims.channels {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var part = 0u; part < dims.parts; part++) {
        sum += partial_sums[part * dims.count + at];
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let o = at % DY_BLOCKS * 4u + lane;
        if o < dims.outputs {
            dw[(o * dims.channels + c) * dims.taps + tap] = sum[lane];
        }
    }
}
//: endif
