// conv2d_spatial: the 3x3 convolution of conv2d.wgsl with stride 1, by tiles
// of the image in workgroup memory, each with its halo.
//
//   y[n, o, i, j] = epilogue(bias[o]
//       + sum over c, u, v of w[o, c, u, v] * x[n, c, i + u - p, j + v - p])
//
// Layout: x and y are (N, C/4, H, W) of vec4, channels padded with zeros. The
// weights are (C/4, 3*3, 4 input channels, O/4) of vec4 over output channels.
//
// Dispatch: a workgroup makes TILE_WIDTH x TILE_HEIGHT pixels by
// 4 * TILE_BLOCKS output channels. It stages 4 input channels at a time: the
// pixels that the tile sees and, with STAGED_WEIGHTS, the weights, which it
// otherwise reads from w as they are needed. An invocation makes EACH_ROWS
// pixels in y by EACH_BLOCKS blocks, and keeps the pixels of a column for the
// three taps that see them;
// grid (ceil(W / TILE_WIDTH) * ceil(O / (4*TILE_BLOCKS)), ceil(H / TILE_HEIGHT),
// N), or some of its rows. Workgroups that see the same pixels are neighbours.
//
// Parameters: TILE_WIDTH, TILE_HEIGHT, TILE_BLOCKS, EACH_ROWS, EACH_BLOCKS,
// STAGED_WEIGHTS, and those of conv2d.wgsl but STRIDE, ROWS and BLOCKS; KERNEL
// is 3.

override IN_BLOCKS: u32 = 1u; // C / 4
override OUT_BLOCKS: u32 = 1u; // O / 4

struct Dims {
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    x_offset: u32,
    x_batch: u32,
    first_tile: u32, // row of tiles, of the dispatch: large ones are split
    //: include "include/epilogue_dims.wgsl"
}

@group(0) @binding(0) var<uniform> dims: Dims; // one struct
//: include "include/conv_x.wgsl"
alias w_t = vec4<${w_scalar}>;
@group(0) @binding(2) var<storage, read> w: array<w_t>; // (C/4, 3*3, 4, O/4)
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (O/4)
//: endif

//: set INVOCATIONS = TILE_WIDTH * (TILE_HEIGHT // EACH_ROWS) * (TILE_BLOCKS // EACH_BLOCKS)
//: set SEEN = (TILE_HEIGHT + 2) * (TILE_WIDTH + 2)
//: set WEIGHTS = 36 * TILE_BLOCKS
//: set X_SLOTS = (SEEN + INVOCATIONS - 1) // INVOCATIONS
//: set W_SLOTS = (WEIGHTS + INVOCATIONS - 1) // INVOCATIONS if STAGED_WEIGHTS else 0
var<workgroup> x_tile: array<vec4<f32>, ${SEEN}>; // (TILE_HEIGHT + 2, TILE_WIDTH + 2)
//: if STAGED_WEIGHTS
var<workgroup> w_tile: array<vec4<f32>, ${WEIGHTS}>; // (3*3, 4, TILE_BLOCKS)
//: endif

//: include "include/epilogue.wgsl"
//: include "include/border.wgsl"

@compute @workgroup_size(${INVOCATIONS}, 1, 1)
fn conv2d_spatial(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tiles = (OUT_BLOCKS + ${TILE_BLOCKS - 1}u) / ${TILE_BLOCKS}u;
    let first_block = workgroup.x % tiles * ${TILE_BLOCKS}u;
    let left = workgroup.x / tiles * ${TILE_WIDTH}u;
    let top = (workgroup.y + dims.first_tile) * ${TILE_HEIGHT}u;
    let n = workgroup.z;
    let in_plane = dims.in_height * dims.in_width;
    let out_plane = dims.out_height * dims.out_width;

    // What this invocation stages: pixel i comes from x_from_i, weight i from
    // w_from_i.
    //: for i in range(X_SLOTS)
    let x_slot_${i} = min(local + ${i * INVOCATIONS}u, ${SEEN - 1}u);
    let i_${i} = i32(top + x_slot_${i} / ${TILE_WIDTH + 2}u) - ${PAD};
    let j_${i} = i32(left + x_slot_${i} % ${TILE_WIDTH + 2}u) - ${PAD};
    let row_${i} = u32(border(i_${i}, i32(dims.in_height)));
    let column_${i} = u32(border(j_${i}, i32(dims.in_width)));
    let x_from_${i} = dims.x_offset + n * dims.x_batch + row_${i} * dims.in_width + column_${i};
    //: if not REFLECT
    let inside_${i} = is_inside(i_${i}, i32(dims.in_height)) && is_inside(j_${i}, i32(dims.in_width));
    //: endif
    var next_x_${i} = vec4<f32>(0.0);
    //: endfor
    //: for i in range(W_SLOTS)
    let w_slot_${i} = min(local + ${i * INVOCATIONS}u, ${WEIGHTS - 1}u);
    let w_block_${i} = min(first_block + w_slot_${i} % ${TILE_BLOCKS}u, OUT_BLOCKS - 1u);
    let w_from_${i} = w_slot_${i} / ${TILE_BLOCKS}u * OUT_BLOCKS + w_block_${i};
    var next_w_${i} = vec4<f32>(0.0);
    //: endfor

    let column = local % ${TILE_WIDTH}u;
    let row = local / ${TILE_WIDTH}u % ${TILE_HEIGHT // EACH_ROWS}u * ${EACH_ROWS}u;
    let block = local / ${TILE_WIDTH * (TILE_HEIGHT // EACH_ROWS)}u;
    // sum_b_r: output block b of this invocation at its pixel r.
    //: for b in range(EACH_BLOCKS)
    let block_${b} = first_block + block + ${b * (TILE_BLOCKS // EACH_BLOCKS)}u;
    let held_block_${b} = min(block_${b}, OUT_BLOCKS - 1u);
    //: if BIAS
    let bias_${b} = bias[held_block_${b}];
    //: else
    let bias_${b} = vec4<f32>(0.0);
    //: endif
    //: for r in range(EACH_ROWS)
    var sum_${b}_${r} = bias_${b};
    //: endfor
    //: endfor

    // A stage is loaded while the one before is multiplied.
    for (var stage = 0u; stage <= IN_BLOCKS; stage++) {
        if stage > 0u {
            workgroupBarrier();
            //: for i in range(X_SLOTS)
            //: if (i + 1) * INVOCATIONS > SEEN
            if local + ${i * INVOCATIONS}u < ${SEEN}u { x_tile[x_slot_${i}] = next_x_${i}; }
            //: else
            x_tile[x_slot_${i}] = next_x_${i};
            //: endif
            //: endfor
            //: for i in range(W_SLOTS)
            //: if (i + 1) * INVOCATIONS > WEIGHTS
            if local + ${i * INVOCATIONS}u < ${WEIGHTS}u { w_tile[w_slot_${i}] = next_w_${i}; }
            //: else
            w_tile[w_slot_${i}] = next_w_${i};
            //: endif
            //: endfor
            workgroupBarrier();
        }
        if stage < IN_BLOCKS {
            //: for i in range(X_SLOTS)
            next_x_${i} = load(x_from_${i} + stage * in_plane);
            //: if not REFLECT
            next_x_${i} = select(vec4<f32>(0.0), next_x_${i}, inside_${i});
            //: endif
            //: endfor
            //: for i in range(W_SLOTS)
            next_w_${i} = vec4<f32>(w[w_from_${i} + stage * 36u * OUT_BLOCKS]);
            //: endfor
        }
        if stage > 0u {
            for (var v = 0u; v < 3u; v++) {
                let at = row * ${TILE_WIDTH + 2}u + column + v;
                //: for i in range(EACH_ROWS + 2)
                let x_${i} = x_tile[at + ${i * (TILE_WIDTH + 2)}u];
                //: endfor
                //: if STAGED_WEIGHTS
                let tap = block + v * ${4 * TILE_BLOCKS}u;
                //: else
                let tap = ((stage - 1u) * 9u + v) * 4u;
                //: endif
                //: for u in range(3)
                //: for l in range(4)
                {
                    //: for b in range(EACH_BLOCKS)
                    //: if STAGED_WEIGHTS
                    let w_${b} = w_tile[tap + ${(12 * u + l) * TILE_BLOCKS + b * (TILE_BLOCKS // EACH_BLOCKS)}u];
                    //: else
                    let w_${b} = vec4<f32>(w[(tap + ${12 * u + l}u) * OUT_BLOCKS + held_block_${b}]);
                    //: endif
                    //: endfor
                    //: for b in range(EACH_BLOCKS)
                    //: for r in range(EACH_ROWS)
                    sum_${b}_${r} = fma(w_${b}, vec4<f32>(x_${r + u}.${["x", "y", "z", "w"][l]}), sum_${b}_${r});
                    //: endfor
                    //: endfor
                }
                //: endfor
                //: endfor
            }
        }
    }

    let pixel = (top + row) * dims.out_width + left + column;
    if left + column < dims.out_width {
        //: for r in range(EACH_ROWS)
        if top + row + ${r}u < dims.out_height {
            //: for b in range(EACH_BLOCKS)
            if block_${b} < OUT_BLOCKS { finish(sum_${b}_${r}, n, block_${b}, block_${b} * out_plane + pixel + ${r}u * dims.out_width); }
            //: endfor
        }
        //: endfor
    }
}
